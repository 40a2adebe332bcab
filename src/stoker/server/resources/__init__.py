"""The resources of the API, a module each. `ROUTES` of every module here is added to the app."""
