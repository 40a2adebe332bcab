"""The resources of the API, a module each. `ROUTES` of every module here is added to the app;
`document(paths)`, if there is one, says in the OpenAPI document what Litestar cannot know."""
