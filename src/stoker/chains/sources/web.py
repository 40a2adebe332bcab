"""Asking explorers: again after failures that pass, and never more than they want."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from stoker.chains.hexadecimal import excerpt
from stoker.chains.sources.answer import BadAnswer, NotVerified
from stoker.process.redact import Redactor
from stoker.retry_after import wanted

if TYPE_CHECKING:
    import httpx

A = TypeVar("A")
Read = Callable[[int, Any], A]
"""Makes of a status and a document what was asked for. Raises `Busy` if it is to be asked again."""

_MAX_BODY: Final = 32 << 20
_ATTEMPTS: Final = 5
_AT_ONCE: Final = 4
_LONGEST_PAUSE: Final = 30.0
_LONGEST: Final = 30.0
_PASSING: Final = frozenset((408, 425, 429))


class Busy(Exception):
    """No answer this time. `after`: seconds to wait, if we were told."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class Web:
    """Gets JSON of one server. What it raises and logs is without `secrets`."""

    def __init__(self, secrets: tuple[str, ...], *, pause: float = 0.5) -> None:
        """`pause`: seconds before the first retry, doubled for each that follows."""
        self._redactor = Redactor(secrets)
        self._shortest = pause
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._http: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """End the connections."""
        if self._http is not None:
            logging.getLogger("httpx").removeFilter(self._hide)
            await self._http.aclose()

    async def get(self, url: str, query: Mapping[str, str], read: Read[A]) -> A:
        """What `read` makes of the answer. Raises `BadAnswer`, and what `read` raises."""
        # Whoever is to wait keeps its place, or all who come would run into the same limit.
        async with self._places:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return read(*await self._once(url, query))
                except Busy as error:
                    await self._pause(error, attempt)
                except (BadAnswer, NotVerified) as error:
                    raise type(error)(self._redactor.text(str(error))) from None
        raise AssertionError("the last attempt returns or raises")

    async def _pause(self, busy: Busy, attempt: int) -> None:
        why = self._redactor.text(str(busy))
        if attempt == _ATTEMPTS:
            raise BadAnswer(f"no answer in {attempt} attempts: {why}") from None
        pause = busy.after
        if pause is None:
            pause = self._shortest * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)  # noqa: S311
        if pause > _LONGEST_PAUSE:
            raise BadAnswer(f"to be asked again only in {pause:.0f} s: {why}") from None
        await asyncio.sleep(pause)

    async def _once(self, url: str, query: Mapping[str, str]) -> tuple[int, Any]:
        import httpx

        try:
            async with (
                asyncio.timeout(_LONGEST),
                self._client().stream("GET", url, params=query) as response,
            ):
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > _MAX_BODY:
                        raise BadAnswer(f"the answer has more than {_MAX_BODY} bytes")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise BadAnswer(f"its address is none: {error}") from error
        except TimeoutError:
            raise Busy(f"no answer within {_LONGEST:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Busy(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        status = response.status_code
        if status in _PASSING or status >= 500:
            raise Busy(f"HTTP {status}", wanted(response.headers))
        try:
            return status, msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            shown = excerpt(content[:200].decode(errors="replace"), 200)
            raise BadAnswer(f"HTTP {status}, and no JSON: {shown!r}") from error

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            import httpx

            self._http = httpx.AsyncClient(timeout=httpx.Timeout(20.0, connect=10.0))
            # It logs whole addresses, which hold the key.
            logging.getLogger("httpx").addFilter(self._hide)
        return self._http

    def _hide(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redactor.text(record.getMessage()), ()
        return True
