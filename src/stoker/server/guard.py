"""Who gets in: everything that is decided about a request before its resource is looked for.

A page of another site that a user of this machine looks at can make the browser send requests
here. So a request must be for a name this server goes by (else DNS rebinding), and one that a page
sent must come from a page of this server (else CSRF, and WebSockets across sites). On addresses
others can reach, and as soon as there is a token, every request needs one; agents always do, for
what they ask of this server is done outside their sandbox.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from litestar.types import ASGIApp, Receive, Scope, Send

from stoker.log import get_logger
from stoker.server.peer import Peer
from stoker.server.problems import Refused, Told
from stoker.server.rate import RateLimit
from stoker.server.service import Service
from stoker.server.tokens import NOBODY, Token

log = get_logger(__name__)

OPEN: Final = frozenset({"/healthz", "/readyz"})
"""Answered without a token."""
SIGNED: Final = "/v1/webhooks/"
"""So is what is below: messages that are signed."""
TOLD: Final = "told"
"""In a request's state: its answer is an error that was put into its form already."""
PEER: Final = "peer"
"""In a connection's state: who is at its other end."""
DOCS: Final = "/openapi/"
BODY_BYTES: Final = 16 * 1024 * 1024
HEADER_BYTES: Final = 32 * 1024
_TARGET_BYTES: Final = 16 * 1024
PROTOCOL: Final = "stoker.v1"
_BEARER: Final = "stoker.token."
_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_POLICY: Final = (
    b"content-security-policy",
    b"default-src 'none'; frame-ancestors 'none'; sandbox",
)
_PROXIED: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})
"""Headers of a request that only seems to come from this machine."""
_TLS: Final = (b"strict-transport-security", b"max-age=31536000")


class Guard:
    """The outermost layer of the app: checks, security headers, log and count of requests."""

    def __init__(
        self, app: ASGIApp, service: Service, tell: Callable[[str, Exception], Told]
    ) -> None:
        """`tell`: what is said of an error to whoever asked for a path."""
        self._app = app
        self._service = service
        self._tell = tell
        self._hosts = service.settings.allowed_hosts()
        self._rate = RateLimit(service.settings.rate)
        self._headers = list(_HEADERS)
        if service.settings.certificate is not None:
            self._headers.append(_TLS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        began = time.perf_counter()
        docs = self._service.settings.docs
        answer = _Answer(scope, send, self._headers, self._tell, docs=docs)
        who = "?"
        try:
            token = self._admit(scope)
            who = token.name
            scope.setdefault("state", {})["token"] = token
            await self._app(scope, receive, answer)
        except Exception as error:
            if answer.status is not None:
                raise  # the connection is all that can still be ended
            await answer.refuse(error)
        finally:
            method = str(scope.get("method", "WEBSOCKET"))
            method = method if method in _METHODS else "OTHER"
            self._service.meters.requests.labels(method, str(answer.status or 0)).inc()
            log.info(
                "request",
                method=method,
                path=scope["path"][:200],
                status=answer.status,
                by=who,
                ms=round((time.perf_counter() - began) * 1000, 1),
            )

    def _admit(self, scope: Scope) -> Token:
        """Who asks. Raises `Refused`."""
        headers = _headers(scope)
        self._check_host(headers)
        _check_origin(headers)
        token = self._token(scope, headers)
        client = scope.get("client")
        caller = token.id if token and token.id else (client[0] if client else "")
        if (wait := self._rate.wait_sec(caller)) > 0:
            raise Refused(
                429,
                "too-many-requests",
                "slow down",
                headers={"Retry-After": str(int(wait) + 1)},
            )
        if token is None:
            raise Refused(
                401,
                "no-token",
                "a token is needed: Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return token

    def _check_host(self, headers: Mapping[bytes, bytes]) -> None:
        if self._hosts is None:
            return
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        if not name or not port.isdecimal():
            name = host
        if name not in self._hosts:
            raise Refused(
                421,
                "wrong-host",
                "this server does not go by that Host; --allow-host NAME adds one",
            )

    def _token(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Token | None:
        tokens = self._service.tokens
        scheme, _, text = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        text = text.strip() if scheme.lower() == "bearer" else ""
        if not text:  # a page cannot set headers of a WebSocket
            offered: list[str] = scope.get("subprotocols", [])  # type: ignore[assignment]
            text = next((p[len(_BEARER) :] for p in offered if p.startswith(_BEARER)), "")
        if text and (token := tokens.check(text)) is not None:
            return token
        if scope["path"] in OPEN or scope["path"].startswith(SIGNED):
            return NOBODY
        if text or not self._service.settings.trusting or not _PROXIED.isdisjoint(headers):
            return None
        if tokens.all():
            return None
        peer = scope.get("state", {}).get(PEER)
        if isinstance(peer, Peer) and peer.agent:
            raise Refused(
                403,
                "agent",
                "agents need a token, also where nobody else does: "
                "stoker serve token create --scope read --name agent",
            )
        return NOBODY


_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET")


def subprotocol(scope: Scope) -> str | None:
    """What a WebSocket is accepted with: never the protocol that carries the token."""
    offered: list[str] = scope.get("subprotocols", [])  # type: ignore[assignment]
    return PROTOCOL if PROTOCOL in offered else None


def _check_origin(headers: Mapping[bytes, bytes]) -> None:
    origin = headers.get(b"origin")
    if origin is None:
        return
    _, _, place = origin.decode("latin-1").lower().partition("://")
    if not place or place != headers.get(b"host", b"").decode("latin-1").lower():
        raise Refused(403, "wrong-origin", "requests from pages of other sites are refused")


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """Raises `Refused` for too many of them, and for one that decides and comes twice."""
    found: dict[bytes, bytes] = {}
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
        raise Refused(431, "", "")
    if len(scope["raw_path"]) + len(scope["query_string"]) > _TARGET_BYTES:
        raise Refused(414, "", "")
    for raw, value in scope["headers"]:
        name = raw.lower()
        if name in found and name in (b"host", b"origin", b"authorization"):
            raise Refused(400, "malformed", f"{name.decode()}: given more than once")
        found[name] = value
    return found


class _Answer:
    """What is sent: adds the headers, and gives every error its form."""

    def __init__(
        self,
        scope: Scope,
        send: Any,
        headers: list[tuple[bytes, bytes]],
        tell: Callable[[str, Exception], Told],
        *,
        docs: bool,
    ) -> None:
        self._scope = scope
        self._send = send  # the server's; its messages are plain maps
        self._tell = tell
        self._headers = headers
        if not (docs and scope["path"].startswith(DOCS)):
            self._headers = [*headers, _POLICY]
        self._swallow = False
        self.status: int | None = None
        """Once an answer has begun."""

    async def __call__(self, message: Any) -> None:
        kind = message["type"]
        if kind == "websocket.close" and self.status is None:
            await self.refuse(self._why())
        elif kind == "websocket.close" and 4000 <= message["code"] < 5000:
            await self._send({"type": "websocket.close", "code": 1011, "reason": "server fault"})
        elif kind == "websocket.accept":
            self.status = 101
            await self._send(message)
        elif kind == "http.response.start":
            await self._start(message)
        elif not (kind == "http.response.body" and self._swallow):
            await self._send(message)

    async def _start(self, message: Any) -> None:
        headers = list(message.get("headers", []))
        status: int = message["status"]
        kept = {name.lower(): value for name, value in headers}
        if status >= 400 and not self._scope["state"].get(TOLD):
            self._swallow = True
            allow = {"Allow": kept[b"allow"].decode()} if b"allow" in kept else {}
            await self.refuse(Refused(status, "", "", headers=allow))
            return
        self.status = status
        if b"cache-control" not in kept:
            headers.append((b"cache-control", b"no-store"))
        await self._send({**message, "headers": [*headers, *self._headers]})

    def _why(self) -> Exception:
        error = self._scope.get("state", {}).get("error")
        return error if isinstance(error, Exception) else Refused(403, "", "")

    async def refuse(self, error: Exception) -> None:
        """Answer with an error, also to a WebSocket that was not accepted."""
        told = self._tell(self._scope["path"], error)
        self.status = told.status
        said = {"Content-Type": told.media_type, "Cache-Control": "no-store", **told.headers}
        headers = [(name.lower().encode(), value.encode()) for name, value in said.items()]
        headers += [(b"content-length", str(len(told.body)).encode()), *self._headers]
        if told.status == 413:
            headers.append((b"connection", b"close"))
        prefix = "http" if "method" in self._scope else "websocket.http"
        await self._send(
            {"type": f"{prefix}.response.start", "status": told.status, "headers": headers}
        )
        await self._send({"type": f"{prefix}.response.body", "body": told.body, "more_body": False})
