"""Requests to a provider's REST API: deadlines, rate limits, pages, and errors as types."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import msgspec

from stoker.hosting import errors
from stoker.hosting.model import Remote
from stoker.process.redact import Redactor
from stoker.retry_after import wanted

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_TRIES: Final = 3
_PAGES: Final = 50
_SAID: Final = 300
"""Characters of an answer that an error repeats."""
_MINUTE: Final = 60.0
"""What GitHub asks those to wait who are limited and not told how long."""

_KINDS: Final[dict[int, type[errors.HostError]]] = {
    401: errors.TokenInvalid,
    403: errors.InsufficientPermissions,
    404: errors.RepositoryNotFound,
}


class Api:
    """The API of one repository's host. Use as an async context manager."""

    def __init__(
        self,
        remote: Remote,
        token: str,
        headers: dict[str, str],
        *,
        timeout_sec: float = 30.0,
        patience_sec: float = 60.0,
    ) -> None:
        """`headers`: with the token. `timeout_sec`: for one request; `patience_sec`: what a rate
        limit may cost before `RateLimited` is raised."""
        self.remote = remote
        self._headers = headers
        self._timeout = timeout_sec
        self._patience = patience_sec
        self._redact = Redactor((token,)).text
        self._client: httpx.AsyncClient

    async def __aenter__(self) -> Self:
        import httpx

        self._client = await httpx.AsyncClient(
            headers={"User-Agent": "stoker", **self._headers},
            follow_redirects=False,
            timeout=None,  # noqa: S113 - the deadline is for a request as a whole
        ).__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str, answer: type[T], **query: Any) -> T:
        """`path`: from the API's base, its words quoted already."""
        return self._decode((await self._send("GET", path, query=query)).content, answer)

    async def send(self, method: str, path: str, body: Any, answer: type[T]) -> T:
        """Send JSON."""
        return self._decode((await self._send(method, path, body=body)).content, answer)

    async def all(self, path: str, item: type[T], **query: Any) -> list[T]:
        """The items of all pages."""
        found: list[T] = []
        for _ in range(_PAGES):
            response = await self._send("GET", path, query=query)
            found += self._decode(response.content, list[item])  # type: ignore[valid-type]
            following = response.links.get("next", {}).get("url")
            if following is None:
                return found
            # Only the query: whatever host a page names, the token goes to none but ours.
            query = dict(self._client.build_request("GET", following).url.params)
        raise self._error(errors.Unavailable, f"more than {_PAGES} pages")

    async def _send(
        self, method: str, path: str, *, query: dict[str, Any] | None = None, body: Any = None
    ) -> httpx.Response:
        import httpx

        content = None if body is None else msgspec.json.encode(body)
        url = httpx.URL(self.remote.api + path).copy_merge_params(query or {})
        headers = {} if content is None else {"Content-Type": "application/json"}
        for left in range(_TRIES - 1, -1, -1):
            request = self._client.build_request(method, url, content=content, headers=headers)
            try:
                response = await self._once(request)
            except errors.Unavailable:
                if not left or method != "GET":
                    raise
                await asyncio.sleep(_backoff(left))
                continue
            if response.has_redirect_location and (
                method == "GET" or response.status_code in (307, 308)
            ):
                url = self._moved(response)
            elif not response.is_success:
                await self._pause(response, method, left)
            else:
                return response
        raise self._error(errors.Redirected, "in a circle")

    async def _once(self, request: httpx.Request) -> httpx.Response:
        """Raises `Unavailable`: no whole answer came."""
        import httpx

        try:
            async with asyncio.timeout(self._timeout):
                return await self._client.send(request)
        except TimeoutError:
            raise self._error(errors.Unavailable, f"none within {self._timeout:g} s") from None
        except httpx.HTTPError as error:
            words = f"{type(error).__name__} {error}".strip()
            raise self._error(errors.Unavailable, words) from None

    def _moved(self, response: httpx.Response) -> httpx.URL:
        """Where on the same host the answer is, as after a repository was renamed."""
        target = response.url.join(response.headers["location"])
        if (target.scheme, target.netloc) != (response.url.scheme, response.url.netloc):
            raise self._error(
                errors.Redirected, f"to {target.scheme}://{target.netloc.decode('ascii')}"
            )
        return target

    async def _pause(self, response: httpx.Response, method: str, left: int) -> None:
        """Returns when the request may be sent again; raises what the answer says otherwise."""
        status = response.status_code
        wait = _told_to_wait(response)
        if status == 429 or (status == 403 and (wait is not None or _limits(response))):
            wait = _MINUTE if wait is None else wait
            if not left or wait > self._patience:
                raise errors.RateLimited(self.remote.host, self.remote.path, wait)
            await asyncio.sleep(wait)
        elif left and (status == 503 or (status in (502, 504) and method == "GET")):
            await asyncio.sleep(_backoff(left) if wait is None else min(wait, self._patience))
        else:
            raise self._refusal(response)

    def _refusal(self, response: httpx.Response) -> errors.HostError:
        status = response.status_code
        said = _message(response.content) or f"{status} {response.reason_phrase}"
        if 300 <= status < 400:
            return self._error(errors.Redirected, response.headers.get("location", ""))
        if status >= 500:
            return self._error(errors.Unavailable, said)
        kind = errors.AlreadyExists if "already exists" in said else errors.Rejected
        return self._error(_KINDS.get(status, kind), said)

    def _decode(self, content: bytes, answer: type[T]) -> T:
        try:
            return msgspec.json.decode(content, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._error(errors.Unavailable, f"not what its API answers: {error}") from None

    def _error(self, kind: type[errors.HostError], said: str) -> errors.HostError:
        words = " ".join(self._redact(said).split())
        short = words if len(words) <= _SAID else words[:_SAID] + "…"
        return kind(self.remote.host, self.remote.path, short)


def _told_to_wait(response: httpx.Response) -> float | None:
    headers = response.headers
    if (told := wanted(headers)) is not None:
        return told
    for name in ("x-ratelimit", "ratelimit"):  # GitHub's and GitLab's
        if headers.get(f"{name}-remaining") == "0" and headers.get(f"{name}-reset", "").isdecimal():
            return max(0.0, float(headers[f"{name}-reset"]) - time.time())
    return None


def _limits(response: httpx.Response) -> bool:
    return b"rate limit" in response.content.lower()


def _backoff(left: int) -> float:
    return 0.5 * 2.0 ** (_TRIES - 1 - left)


def _message(content: bytes) -> str:
    """What an error's body says: `message` (a text, a list, or by field), `errors`, `error`."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(body, dict):
        return ""
    said = [body.get(name) for name in ("message", "error", "error_description", "errors")]
    return "; ".join(dict.fromkeys(_words(said)))


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, list):
        return [word for item in value for word in _words(item)]
    if not isinstance(value, dict):
        return []
    if "message" in value:
        return _words(value["message"])
    if {"field", "code"} <= value.keys():  # GitHub's, of what it has no sentence for
        return [f"{value['field']} {value['code']}"]
    return [f"{name} {word}" for name, item in value.items() for word in _words(item)]
