"""The resources of the API, a module each. The handlers of every module here, and those in its
`ROUTES` (`stoker.server.route`), are added to the app, under its `TAG`; `document(paths)`, if there
is one, says in the OpenAPI document what Litestar cannot know."""
