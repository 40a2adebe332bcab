"""The resources of the API, a module each. The handlers of every module here are added to the app,
under its `TAG`; `document(paths)`, if there is one, says in the OpenAPI document what Litestar
cannot know."""
