"""One round trip of JSON-RPC over HTTP: bounded, and told without what may be a secret."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from stoker.chains.hexadecimal import excerpt
from stoker.retry_after import wanted

if TYPE_CHECKING:
    import httpx

_LIMITED: Final = frozenset((-32005, -32029, 429))
_LIMITED_WORDS: Final = re.compile(
    r"rate.?limit|too many requests|compute units"
    r"|(throughput|capacity|quota|limit) (was |is )?exceeded"
    r"|exceeded.{0,40}(throughput|capacity|quota|per second)",
    re.IGNORECASE,
)

Request = dict[str, Any]
Answer = dict[str, Any]


class RpcLimits(Struct, frozen=True, kw_only=True):
    """How far a node is waited for."""

    batch: int = 100
    """Requests in one round trip."""
    parallel: int = 16
    """Round trips at once."""
    answer: int = 64 << 20
    """Bytes of the answer to one round trip."""
    attempts: int = 6
    """Round trips for the same requests, where the node is down, overloaded or limits us."""
    pause: float = 0.25
    """Seconds before the second attempt; each further one waits twice as long, up to 8 s."""
    attempt: float = 15.0
    """Seconds that a node may take to answer."""
    deadline: float = 45.0
    """Seconds for all attempts together."""


class RpcFailure(Exception):
    """A round trip, or a request of it, without a result. `again`: another try may have one;
    `after`: seconds to wait first; `batch`: it was refused for its being one, or for its size;
    `slow`: no answer came in time, which may be for one of several requests."""

    def __init__(
        self,
        reason: str,
        *,
        again: bool = False,
        after: float = 0.0,
        batch: bool = False,
        slow: bool = False,
        code: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.again, self.after, self.batch, self.slow = again, after, batch, slow
        self.code = code


class Wire:
    """A node's URL. Of one event loop; to be closed."""

    def __init__(self, url: str, limits: RpcLimits) -> None:
        self.trips = 0
        """Round trips so far, failed ones too."""
        self._url, self._limits = url, limits
        self._client: httpx.AsyncClient | None = None
        self._gate = asyncio.Semaphore(limits.parallel)

    def __str__(self) -> str:
        """Scheme, host and port: paths, queries and names of users hold keys."""
        try:
            parts = urlsplit(self._url)
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            return "a URL that cannot be read"
        return f"{parts.scheme}://{parts.hostname or ''}{port}"

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def post(self, sent: Sequence[Request]) -> dict[int, Answer]:
        """Answers by the requests' ids. Raises `RpcFailure` if there is none at all."""
        body = msgspec.json.encode(sent[0] if len(sent) == 1 else sent)
        async with self._gate:
            self.trips += 1
            status, after, content = await self._exchange(body)
        try:
            decoded = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            decoded = None
        if status in {429, 502, 503, 504}:
            raise RpcFailure(f"HTTP {status}", again=True, after=after, code=status)
        found = decoded if isinstance(decoded, list) else [decoded]
        by_id = {one["id"]: one for one in found if isinstance(one, dict) and _has_id(one)}
        answers = {one["id"]: by_id[one["id"]] for one in sent if one["id"] in by_id}
        if answers:
            return answers
        for one in found:
            if isinstance(one, dict) and one.get("error") is not None:  # of all of them
                failure = self.said(one["error"])
                refused = not failure.again or "batch" in str(failure).lower()
                failure.batch = refused and len(sent) > 1
                raise failure
        if status >= 500 or status == 408:
            raise RpcFailure(f"HTTP {status}", again=True, after=after)
        if status >= 300:
            raise RpcFailure(f"HTTP {status}", batch=len(sent) > 1 and status in {400, 413})
        start = excerpt(content[:200].decode(errors="replace"))
        raise RpcFailure(f"the answer is no JSON-RPC: {start}")

    async def _exchange(self, body: bytes) -> tuple[int, float, bytes]:
        """Status, seconds of `Retry-After` (at most 10), and body."""
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=self._limits.attempt,
                limits=httpx.Limits(max_connections=self._limits.parallel),
                verify=self._url.startswith("https:"),  # reading the certificates takes its time
            )
        headers = {"Content-Type": "application/json"}
        content = bytearray()
        try:
            async with (
                asyncio.timeout(self._limits.attempt),
                self._client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                async for chunk in answer.aiter_bytes():
                    content += chunk
                    if len(content) > self._limits.answer:
                        raise RpcFailure(f"its answer has more than {self._limits.answer} bytes")
        except (TimeoutError, httpx.TimeoutException):
            reason = f"no answer within {self._limits.attempt:g} s"
            raise RpcFailure(reason, again=True, slow=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            again = isinstance(error, httpx.TransportError) and not isinstance(
                error, httpx.UnsupportedProtocol
            )
            reason = self._without_secrets(str(error) or type(error).__name__)
            raise RpcFailure(reason, again=again) from None
        after = min(wanted(answer.headers) or 0.0, 10.0)
        return answer.status_code, after, bytes(content)

    def said(self, error: Any) -> RpcFailure:
        """What a JSON-RPC error says."""
        code = error.get("code") if isinstance(error, dict) else None
        message = error.get("message") if isinstance(error, dict) else error
        message = self._without_secrets(message if isinstance(message, str) else repr(message))
        again = code in _LIMITED or bool(_LIMITED_WORDS.search(message))
        return RpcFailure(message, again=again, code=code if isinstance(code, int) else None)

    def _without_secrets(self, message: str) -> str:
        _, _, rest = self._url.partition("://")
        host = str(self).partition("://")[2]
        for part in re.split(r"[/?&=@]|:(?!\d)", rest):
            if len(part) >= 8 and part != host:
                message = message.replace(part, "***")
        return excerpt(message, 300)


def _has_id(answer: Answer) -> bool:
    return type(answer.get("id")) is int and ("result" in answer or "error" in answer)
