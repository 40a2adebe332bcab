"""The Forge-compatible API, a module for each group of its routes: the handlers of every module
here are added to the app. `docs/reference/forge-api.md` lists them.

It is kept out of the OpenAPI document: that describes the native API, while here everything has
two spellings and the errors of a contract that others have written.
"""
