"""The clients: how requests are sent, sent again, and their answers read."""

from __future__ import annotations

import asyncio
import os
import random
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, aclosing
from copy import copy
from typing import Any, Final, Generic, Self, TypedDict, Unpack, cast

import httpx
import msgspec
from anyio.from_thread import start_blocking_portal

from stoker.client import api, work
from stoker.client.errors import (
    ApiError,
    Conflict,
    Missed,
    NotFound,
    TooManyRequests,
    Unreachable,
    api_error,
)
from stoker.client.operation import C, Request
from stoker.client.sse import told

URL: Final = "http://127.0.0.1:8470"
_CONNECT_SEC = 5.0
_FIRST_PAUSE_SEC, _LONGEST_PAUSE_SEC = 0.1, 5.0
_SILENCE_SEC = 60.0
"""A stream that says nothing for so long is dead: servers say that they are alive."""
_PASSING: Final = (502, 503, 504)
"""Statuses of a server that is about to come or go."""
_NOT_DONE: Final = (429, 503)
"""Statuses of what was turned away and not begun."""
_END: Final = object()


class Options(TypedDict, total=False):
    """How a client is to go about it."""

    token: str | None
    """Default: `$STOKER_TOKEN`."""
    timeout_sec: float
    """For one answer (60); `wait_sec` of a request comes on top."""
    patience_sec: float
    """For how long to try again (10)."""
    trust_env: bool
    """Use the proxies and certificates that the environment names (no)."""
    transport: httpx.AsyncBaseTransport
    """Instead of a connection."""


class _Offer(Generic[C]):
    """What both clients offer, by what it is about."""

    def _offer(self) -> None:
        client = cast(C, self)
        self.runs = api.Runs(client)
        self.chains = api.Chains(client)
        self.plans = api.Plans(client)
        self.projects = api.Projects(client)
        self.tasks = api.Tasks(client)
        self.attempts = api.Attempts(client)
        self.work = work.Work(client)
        self.drafts = work.Drafts(client)
        self.images = work.Images(client)
        self.tags = work.Tags(client)
        self.templates = work.Templates(client)
        self.pulls = api.Pulls(client)
        self.server = api.Server(client)


class Client(_Offer["Client"]):
    """Talks to a server. Use as an async context manager, in one event loop.

    Every method raises `ApiError` for what the server refuses and `Unreachable` when it does not
    answer. Requests that may be sent again are, until `patience_sec` is over: those that end in
    the same state however often they are sent, and those that begin something, which carry an
    idempotency key. Streams go on where they were if the server comes back within that time.
    """

    def __init__(self, url: str | None = None, **options: Unpack[Options]) -> None:
        """`url`: default: `$STOKER_URL`, else `http://127.0.0.1:8470`."""
        self.url = (url or os.environ.get("STOKER_URL") or URL).rstrip("/")
        self._patience = options.get("patience_sec", 10.0)
        self._timeout = options.get("timeout_sec", 60.0)
        self._key: str | None = None
        token = options.get("token") or os.environ.get("STOKER_TOKEN")
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            trust_env=options.get("trust_env", False),
            transport=options.get("transport"),
        )
        self._offer()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.aclose()

    def keyed(self, key: str) -> Self:
        """The same client, which begins things under this idempotency key: whoever uses the key
        again, also after a crash, gets what was begun the first time."""
        other = copy(self)
        other._key = key
        other._offer()
        return other

    async def call(self, request: Request) -> Any:
        """Send a request; its answer."""
        headers = {} if request.body is None else {"Content-Type": "application/json"}
        if request.keyed:
            headers["Idempotency-Key"] = self._key or str(uuid.uuid4())
        body = None if request.body is None else msgspec.json.encode(request.body)
        answered_sec = self._timeout + request.query.get("wait_sec", 0)
        patience, sent = _Patience(self._patience), False
        while True:
            try:
                answer = await self._http.request(
                    request.method,
                    request.path,
                    params=request.query,
                    content=body,
                    headers=headers,
                    timeout=httpx.Timeout(answered_sec, connect=_CONNECT_SEC),
                )
            except httpx.TransportError as fault:
                error: ApiError | Unreachable = _unreachable(self.url, fault)
                arrived = not _never_arrived(fault)
                again = request.repeatable or not arrived
            else:
                if answer.is_success:
                    return self._read(answer.content, request.answer)
                error = _error(answer)
                gone = request.method == "DELETE" and request.answer is type(None)
                if sent and gone and isinstance(error, NotFound):
                    return None  # an earlier time it arrived, its answer did not
                arrived = error.status not in _NOT_DONE
                again = (
                    isinstance(error, TooManyRequests)
                    or (request.repeatable and error.status in _PASSING)
                    or (request.keyed and sent and isinstance(error, Conflict))  # under way still
                )
            sent = sent or arrived
            if not (again and await patience.last(getattr(error, "retry_after", None))):
                raise error

    async def stream(self, request: Request) -> AsyncGenerator[Any, None]:
        """What a stream tells, to its end; goes on where it was when the connection breaks."""
        patience, place = _Patience(self._patience), ""
        timeout = httpx.Timeout(_SILENCE_SEC, connect=_CONNECT_SEC)
        while True:
            headers = {"Accept": "text/event-stream"}
            if place:
                headers["Last-Event-ID"] = place
            error: ApiError | Unreachable = Unreachable(f"{self.url}: the stream broke off")
            try:
                async with self._http.stream(
                    "GET", request.path, params=request.query, headers=headers, timeout=timeout
                ) as answer:
                    if answer.status_code == httpx.codes.NO_CONTENT:
                        return
                    if not answer.is_success:
                        await answer.aread()
                        error = _error(answer)
                        if not (isinstance(error, TooManyRequests) or error.status in _PASSING):
                            raise error
                    else:
                        async with aclosing(told(answer.aiter_bytes(), place)) as events:
                            async for event in events:
                                patience = _Patience(self._patience)
                                place = event.place
                                if event.name == "end":
                                    return
                                if event.name == "stream.gap":
                                    raise Missed("events were missed: look anew")
                                yield self._read(event.data.encode(), request.answer)
            except httpx.TransportError as fault:
                error = _unreachable(self.url, fault)
            if not await patience.last(getattr(error, "retry_after", None)):
                raise error

    def _read(self, content: bytes, kind: Any) -> Any:
        if kind is bytes:
            return content
        if kind is type(None):
            return None
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.MsgspecError as fault:
            raise Unreachable(f"{self.url} does not answer as a server of Stoker's") from fault


class SyncClient(_Offer["SyncClient"]):
    """The same without an event loop, for scripts: its methods return, its streams are plain
    iterators. Has a thread of its own. Use as a context manager."""

    def __init__(self, url: str | None = None, **options: Unpack[Options]) -> None:
        """See `Client`."""
        self._client = Client(url, **options)
        self._stack = ExitStack()
        self._portal = self._stack.enter_context(start_blocking_portal())
        self._stack.enter_context(self._portal.wrap_async_context_manager(self._client))
        self._offer()

    @property
    def url(self) -> str:
        return self._client.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def keyed(self, key: str) -> Self:
        """See `Client.keyed`."""
        other = copy(self)
        other._client = self._client.keyed(key)
        other._offer()
        return other

    def call(self, request: Request) -> Any:
        """Send a request; its answer."""
        return self._portal.call(self._client.call, request)

    def stream(self, request: Request) -> Iterator[Any]:
        """What a stream tells, to its end."""
        items, turn = self._client.stream(request), asyncio.Lock()

        async def step() -> Any:
            async with turn:
                return await anext(items, _END)

        async def close() -> None:
            async with turn:
                await items.aclose()

        coming: Future[Any] | None = None
        try:
            while (item := (coming := self._portal.start_task_soon(step)).result()) is not _END:
                yield item
        finally:
            if coming is not None:
                coming.cancel()  # where an interrupt has cut the waiting for it short
            self._portal.call(close)


class _Patience:
    """How long to try again, with growing pauses."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._pause = _FIRST_PAUSE_SEC

    async def last(self, at_least: float | None = None) -> bool:
        """Whether to try again, after a pause."""
        pause = max(at_least or 0.0, self._pause * random.uniform(0.5, 1))  # noqa: S311
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SEC)
        if time.monotonic() + pause > self._end:
            return False
        await asyncio.sleep(pause)
        return True


def _never_arrived(fault: httpx.TransportError) -> bool:
    return isinstance(fault, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _unreachable(url: str, fault: httpx.TransportError) -> Unreachable:
    why = str(fault) or type(fault).__name__
    error = Unreachable(f"no answer from {url}: {why}")
    error.__cause__ = fault
    return error


def _error(answer: httpx.Response) -> ApiError:
    wait = answer.headers.get("retry-after", "")
    return api_error(answer.status_code, answer.content, float(wait) if wait.isdecimal() else None)
