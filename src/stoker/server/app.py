"""The app: resources, documents, errors, and the guard before it all."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import msgspec
from litestar import Litestar, get
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin, SwaggerRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.response import Response
from litestar.types import ASGIApp, Scope

from stoker.server import forge, problems, resources
from stoker.server.document import completed
from stoker.server.forge import envelope
from stoker.server.guard import BODY_BYTES, TOLD, Guard
from stoker.server.mcp import Mcp
from stoker.server.params import Asked
from stoker.server.problems import Refused, Told
from stoker.server.service import Service
from stoker.server.settings import Settings
from stoker.server.tokens import Scope as TokenScope

_BODIES: Final = ("application/json",)
_SAFE: Final = ("GET", "HEAD", "OPTIONS")


def build(service: Service) -> ASGIApp:
    """The app for uvicorn."""
    return Guard(Mcp(unguarded(service), service), service, _tell)


def unguarded(service: Service) -> ASGIApp:
    """The app for whoever has decided who asks: `state` of the scope has the `token`."""
    return _litestar(service.settings, lambda: service)


def openapi() -> dict[str, Any]:
    """The OpenAPI document, without a server."""
    return _document(_litestar(Settings(directory=Path(), roots=()), _no_service))


def _no_service() -> Service:
    raise RuntimeError("no server")


def _litestar(settings: Settings, provide: Callable[[], Service]) -> Litestar:
    plugins: list[OpenAPIRenderPlugin] = [JsonRenderPlugin()]
    if settings.docs:
        plugins.append(SwaggerRenderPlugin())
    return _App(
        route_handlers=[
            *chain.from_iterable(map(_handlers, (*_modules(resources), *_modules(forge)))),
            document,
        ],
        dependencies={"service": Provide(provide, sync_to_thread=False)},
        guards=[permit, accept],
        exception_handlers={Exception: _response},
        after_exception=[_keep],
        request_max_body_size=BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="Stoker",
            version=_version(),
            description="The HTTP API of Stoker, a durable executor of plans.",
            path="/openapi",
            render_plugins=plugins,
            components=Components(
                security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}
            ),
            security=[{"token": []}],
        ),
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )


class _App(Litestar):
    """Without the plugins for pydantic and attrs, which nothing here is made of: where they are
    installed, importing them would take a third of the server's start."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def _modules(package: ModuleType) -> list[ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [import_module(f"{package.__name__}.{name}") for name in names]


def _handlers(module: ModuleType) -> list[BaseRouteHandler]:
    """All that a module makes; its `TAG`, if it has one, is theirs in the document."""
    made = [*getattr(module, "ROUTES", ())]
    made += [one for one in vars(module).values() if isinstance(one, BaseRouteHandler)]
    for one in made if hasattr(module, "TAG") else ():
        if isinstance(one, HTTPRouteHandler):
            one.tags = [module.TAG]
    return made


def _tell(path: str, error: Exception) -> Told:
    return envelope.told(error) if envelope.speaks(path) else problems.told(error)


def _response(request: Asked, error: Exception) -> Response[Any]:
    """The handler of every exception in the app."""
    told = _tell(request.scope["path"], error)
    request.scope["state"][TOLD] = True
    return Response(
        told.body,
        status_code=told.status,
        media_type=told.media_type,
        headers=dict(told.headers),
    )


@get("/openapi.json", include_in_schema=False, sync_to_thread=False)
def document(request: Asked) -> Response[bytes]:
    """The OpenAPI document."""
    state = request.app.state
    if "document" not in state:
        state.document = msgspec.json.encode(_document(request.app))
    return Response(state.document, media_type="application/json")


def _document(app: Litestar) -> dict[str, Any]:
    schema = completed(app.openapi_schema.to_schema())
    for module in _modules(resources):
        if hasattr(module, "document"):
            module.document(schema["paths"])
    return schema


def permit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A token's scope must do: `opt={"scope": ...}` of the route, else `read` for what changes
    nothing and `run` for what does. Raises `Refused`."""
    changes = connection.scope.get("method", "GET") not in _SAFE
    needed: TokenScope = handler.opt.get("scope", "run" if changes else "read")
    token = connection.scope["state"]["token"]
    if not token.allows(needed):
        raise Refused(
            403, "scope", f"this needs a token of scope {needed}, and yours has scope {token.scope}"
        )


def accept(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A body must be JSON, or what `opt={"bodies": ...}` of the route says. Raises `Refused`."""
    headers = connection.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    taken = handler.opt.get("bodies", _BODIES)
    if kind not in taken:
        raise Refused(
            415,
            "",
            f"expected Content-Type {' or '.join(taken)}",
            headers={"Accept": ", ".join(taken)},
        )


async def _keep(error: Exception, scope: Scope) -> None:
    """For the guard: what a WebSocket was refused for."""
    scope["state"]["error"] = error


def _version() -> str:
    from importlib.metadata import version

    return version("stoker")
