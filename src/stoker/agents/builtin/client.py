"""Asking a provider: one request at a time, streamed, again after failures that pass."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx
import msgspec

from stoker.agents.builtin.assembler import ContextOverflow, ModelError, OnDelta, Unavailable
from stoker.agents.builtin.entries import Answer, Usage
from stoker.agents.builtin.settings import Settings
from stoker.agents.builtin.wire import Request
from stoker.agents.builtin.wire_anthropic import Anthropic
from stoker.agents.builtin.wire_openai import OpenAI
from stoker.process.redact import Redactor
from stoker.retry_after import wanted

Wire = OpenAI | Anthropic
OnRetry = Callable[[int, int, float, str], None]
"""Told the number of the retry, from 1, how many there may be, in how many seconds it comes,
and why."""

_MAX_ANSWER: Final = 32 << 20
_MAX_ERROR: Final = 64 << 10
_MAX_WAIT: Final = 900.0
_EXCERPT: Final = 500
_DOCUMENTS: Final = ("text/html", "application/json")
_PASSING: Final = frozenset((408, 409, 425, 429, 529))


class Client:
    """Of one provider and model."""

    def __init__(
        self, wire: Wire, settings: Settings, key: str, redactor: Redactor, on_retry: OnRetry
    ) -> None:
        base = settings.base_url or os.environ.get(wire.base_env) or wire.base_url
        self._wire = wire
        self._settings = settings
        self._redactor = redactor
        self._on_retry = on_retry
        self._url = _url(base, wire.path)
        self._http = httpx.AsyncClient(
            # Reading the certificates takes 50 ms, which plain HTTP has no use for.
            verify=self._url.scheme == "https",
            timeout=httpx.Timeout(settings.idle_sec, connect=min(settings.idle_sec, 20.0)),
            headers={"content-type": "application/json", **wire.headers(key)},
        )
        self._encoder = msgspec.json.Encoder()

    async def close(self) -> None:
        """End the connections."""
        await self._http.aclose()

    async def ask(self, request: Request, on_delta: OnDelta) -> Answer:
        """The answer, without its cost. What `on_delta` was told of an answer that broke
        off is told again. Raises `ModelError`, `ContextOverflow`."""
        body = self._wire.body(self._settings, request)
        body = {**body, **self._settings.extra, **request.extra}
        content = self._encoder.encode(
            {name: value for name, value in body.items() if value is not None}
        )
        for retry in range(1, self._settings.retries + 2):
            try:
                answer = await self._once(content, on_delta)
            except Unavailable as error:
                why = self._redactor.text(str(error))
                if retry > self._settings.retries:
                    wait = "" if error.after is None else f"; retry after {error.after:g} s"
                    raise ModelError(f"no answer in {retry} attempts: {why}{wait}") from error
                pause = self._backoff(retry) if error.after is None else error.after
                if pause > _MAX_WAIT:
                    raise ModelError(f"to be asked again only in {pause:.0f} s: {why}") from error
                self._on_retry(retry, self._settings.retries, pause, why)
                await asyncio.sleep(pause)
            else:
                return _counted(answer, len(content))
        raise AssertionError("the last attempt returns or raises")

    def _backoff(self, retry: int) -> float:
        pause = min(self._settings.retry_sec * 2.0 ** (retry - 1), 20.0)
        return pause * random.uniform(0.75, 1.25)  # noqa: S311

    async def _once(self, content: bytes, on_delta: OnDelta) -> Answer:
        assembler = self._wire.assembler(on_delta)
        try:
            async with self._http.stream("POST", self._url, content=content) as response:
                if response.status_code != 200:
                    await self._refused(response)
                kind = response.headers.get("content-type", "")
                if kind.startswith(_DOCUMENTS):
                    found = _excerpt(await _body(response))
                    raise Unavailable(f"expected a stream of events, found {kind}: {found}")
                async for data in _events(response):
                    assembler.feed(data)
        except (httpx.TransportError, httpx.DecodingError) as error:
            # What is complete is complete, also if the connection ends badly.
            if not assembler.complete:
                raise Unavailable(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        if not assembler.complete:
            raise Unavailable("the answer broke off")
        return assembler.answer()

    async def _refused(self, response: httpx.Response) -> None:
        text = await _body(response)
        status = response.status_code
        why = self._redactor.text(f"HTTP {status}: {_excerpt(text)}")
        if self._wire.overflowed(status, text):
            raise ContextOverflow(why)
        if status in _PASSING or status >= 500:
            raise Unavailable(why, wanted(response.headers))
        raise ModelError(why)


def _url(base: str, path: str) -> httpx.URL:
    try:
        url = httpx.URL(f"{base.rstrip('/')}{path}")
    except httpx.InvalidURL as error:
        raise ValueError(f"{base!r}: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{base!r}: expected a URL that begins with http:// or https://")
    return url


async def _body(response: httpx.Response) -> str:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_ERROR:
            break
    return body[:_MAX_ERROR].decode("utf-8", "replace")


def _excerpt(text: str) -> str:
    return " ".join(text.split())[:_EXCERPT]


async def _events(response: httpx.Response) -> AsyncIterator[bytes]:
    """The data of each server-sent event."""
    rest = b""
    data: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > _MAX_ANSWER:
            raise ModelError(f"the answer has more than {_MAX_ANSWER} bytes")
        *lines, rest = (rest + chunk).split(b"\n")
        for raw in lines:
            line = raw.rstrip(b"\r")
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                yield b"\n".join(data)
                data.clear()
    if rest.startswith(b"data:"):
        data.append(rest[5:].strip())
    if data:
        yield b"\n".join(data)


def _counted(answer: Answer, sent: int) -> Answer:
    """With an estimate of its usage, where the provider does not tell."""
    if answer.usage.total:
        return answer
    said = len(answer.text) + sum(len(call.arguments) for call in answer.calls)
    said += sum(len(one.text) for one in answer.thinking)
    usage = Usage(input=sent // 4, output=said // 4)
    return msgspec.structs.replace(answer, usage=usage)
