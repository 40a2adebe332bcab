"""Sending the request of an `http` step; imported only when one is sent."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx
import msgspec
from msgspec import Struct

from stoker.engine.fault import words
from stoker.engine.kinds import Attempt, Result, StepFailed
from stoker.plan.expression import (
    EvaluationError,
    compile_expression,
    evaluate_condition,
)
from stoker.plan.template import as_text
from stoker.plan.values import same
from stoker.steps.http import Expect, Http, expected, json_path, patterns, regular, shown
from stoker.whole_file import atomic

IDEMPOTENT: Final = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))
Headers = list[tuple[bytes, bytes]]

MAX_OUTPUT: Final = 1024 * 1024
"""Bytes of a body that become an output."""

_REFUSED: Final = frozenset((429, 503))  # the server says it did not do it
_UNCLEAR: Final = range(500, 600)  # it may have
_PRIVATE: Final = frozenset(("set-cookie", "www-authenticate", "proxy-authenticate"))
_EXCERPT: Final = 500


class Answer(Struct, frozen=True, kw_only=True):
    """A response, read to its end."""

    status: int
    headers: dict[str, str]
    """Names in lower case; without cookies and challenges."""
    body: bytes
    """At most `MAX_OUTPUT` bytes of it."""
    size: int
    encoding: str
    retry_after: str | None

    def text(self) -> str:
        """The body as text; what is no text is replaced."""
        return self.body.decode(self.encoding, errors="replace")

    def json(self) -> Any:
        """The body as JSON, or None where it is none or was cut."""
        if self.size > len(self.body):
            return None
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


async def send(definition: Http, attempt: Attempt) -> Result:
    """Send, again where that is safe, and hold the answer against what is expected.

    Raises `StepFailed` if no answer came.
    """
    where = f"{definition.method} {shown(definition.url)}"
    headers = _headers(definition, attempt)
    given_key = any(name.lower() == "idempotency-key" for name in definition.headers)
    repeatable = given_key or definition.method in IDEMPOTENT
    async with _client(definition) as client:
        for left in range(definition.retries, -1, -1):
            started = time.monotonic()
            end = await _try(client, headers, definition, attempt)
            attempt.write(f"{where}: {end} ({time.monotonic() - started:.3f} s)\n")
            if not left or not (end.refused or (end.unclear and repeatable)):
                break
            pause = _pause(definition, definition.retries - left, end.answer)
            attempt.write(f"sending again in {pause:.1f} s, {left} repetitions left\n")
            await asyncio.sleep(pause)
    if end.answer is None:
        raise StepFailed(f"{where}: {end}")
    problems = mismatches(definition.expect, end.answer, attempt.redact)
    failed = f"{where}: {'; '.join(problems)}" if problems else None
    return Result(error=failed, outputs=_outputs(definition, end.answer))


class _End(Struct, frozen=True, kw_only=True):
    """How one request ended."""

    answer: Answer | None = None
    failure: str = ""
    refused: bool = False
    """The server did not do what was asked."""
    unclear: bool = False
    """It may have done it."""

    def __str__(self) -> str:
        return self.failure if self.answer is None else str(self.answer.status)


async def _try(
    client: httpx.AsyncClient, headers: Headers, definition: Http, attempt: Attempt
) -> _End:
    try:
        request = _request(client, definition, headers)
        async with asyncio.timeout(definition.timeout_sec):
            answer = await _receive(client, request, definition, attempt)
    except TimeoutError:
        return _End(failure=f"no answer within {definition.timeout_sec:g} s", unclear=True)
    except httpx.InvalidURL:  # it would quote a piece, which may be of a password
        return _End(failure="InvalidURL: the URL cannot be read")
    except httpx.LocalProtocolError:  # it would quote the field
        return _End(failure="LocalProtocolError: a header field cannot be sent as it is")
    except httpx.HTTPError as error:
        return _End(
            failure=words(error),
            refused=isinstance(error, httpx.ConnectError | httpx.ConnectTimeout),
            unclear=isinstance(error, httpx.TransportError)
            and not isinstance(error, httpx.UnsupportedProtocol),
        )
    except OSError as error:
        raise StepFailed(f"save: {error.filename}: {error.strerror}") from error
    if expected(definition.expect, answer.status):
        return _End(answer=answer)
    return _End(answer=answer, refused=answer.status in _REFUSED, unclear=answer.status in _UNCLEAR)


def mismatches(expect: Expect, answer: Answer, redact: Callable[[str], str] = str) -> list[str]:
    """How an answer differs from what is expected; empty if it does not. `redact` sees the
    body before an excerpt is cut out of it."""
    problems = []
    if not expected(expect, answer.status):
        problem = f"expected status {' or '.join(patterns(expect))}, found {answer.status}"
        excerpt = " ".join(redact(answer.text())[:_EXCERPT].split())
        problems.append(f"{problem}: {excerpt}" if excerpt else problem)
    for name, wanted in expect.headers.items():
        found = answer.headers.get(name.lower())
        pattern = regular(wanted)
        if found is None:
            problems.append(f"expected header {name}, found none")
        elif found != wanted if pattern is None else not pattern.search(found):
            problems.append(f"expected header {name} to be {wanted}, found {found}")
    if not expect.json and expect.condition is None:
        return problems
    scope = {
        "status": answer.status,
        "headers": answer.headers,
        "body": answer.text(),
        "json": answer.json(),
    }
    if expect.json and scope["json"] is None:
        return [*problems, "expected a JSON body, found none"]
    try:
        for path, value in expect.json.items():
            at = compile_expression(json_path(path)).evaluate(scope)
            if not same(at, value):
                problems.append(f"expected {path} to be {as_text(value)}, found {as_text(at)}")
        condition = expect.condition
        if condition is not None and not evaluate_condition(compile_expression(condition), scope):
            problems.append(f"expected {condition}")
    except EvaluationError as error:
        problems.append(str(error))
    return problems


def _client(definition: Http) -> httpx.AsyncClient:
    verify: bool | ssl.SSLContext = definition.verify is not False
    if isinstance(definition.verify, str):
        try:
            verify = ssl.create_default_context(cafile=definition.verify)
        except OSError as error:
            raise StepFailed(f"verify: {definition.verify}: {error}") from error
    # The deadline is for the request as a whole, not for each read of it.
    return httpx.AsyncClient(
        verify=verify,
        follow_redirects=definition.follow_redirects,
        timeout=None,  # noqa: S113
    )


def _headers(definition: Http, attempt: Attempt) -> Headers:
    headers = {name: as_text(value) for name, value in definition.headers.items()}
    for name, value in headers.items():
        # httpx would quote the value, which may be a secret.
        if not name.isascii() or any(ord(c) < 32 and c != "\t" for c in name + value):
            raise StepFailed(f"headers.{name!r}: a character that a header field cannot hold")
    names = {name.lower() for name in headers}
    if definition.method not in IDEMPOTENT and "idempotency-key" not in names:
        headers["Idempotency-Key"] = attempt.token
    if definition.json is not None and "content-type" not in names:
        headers["Content-Type"] = "application/json"
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _request(client: httpx.AsyncClient, definition: Http, headers: Headers) -> httpx.Request:
    content = definition.body.encode() if definition.body is not None else None
    if definition.json is not None:
        content = msgspec.json.encode(definition.json)
    query = _pairs(definition.query or definition.params)
    url = httpx.URL(definition.url)
    return client.build_request(
        definition.method,
        url.copy_merge_params(query) if query else url,
        headers=headers,
        content=content,
        data=_pairs(definition.form) if definition.form is not None else None,
    )


def _pairs(values: dict[str, Any]) -> dict[str, list[str]]:
    return {
        name: [as_text(item) for item in (value if isinstance(value, tuple) else (value,))]
        for name, value in values.items()
    }


async def _receive(
    client: httpx.AsyncClient, request: httpx.Request, definition: Http, attempt: Attempt
) -> Answer:
    response = await client.send(request, stream=True)
    try:
        kept, size = bytearray(), 0
        with ExitStack() as stack:
            file: BinaryIO | None = None
            # Only an answer that is expected replaces what is saved.
            if definition.save is not None and expected(definition.expect, response.status_code):
                file = stack.enter_context(atomic(Path(attempt.cwd) / definition.save))
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > definition.max_bytes:
                    raise StepFailed(
                        f"{definition.method} {shown(definition.url)}: the body is longer than "
                        f"max_bytes, {definition.max_bytes:,}"
                    )
                if file is not None:
                    file.write(chunk)
                kept += chunk[: MAX_OUTPUT - len(kept)]
            if file is not None:
                await asyncio.to_thread(_flush, file)
    finally:
        await response.aclose()
    headers = {k: v for k, v in response.headers.items() if k not in _PRIVATE}
    return Answer(
        status=response.status_code,
        headers=headers,
        body=bytes(kept),
        size=size,
        encoding=response.encoding or "utf-8",
        retry_after=response.headers.get("retry-after"),
    )


def _flush(file: BinaryIO) -> None:
    """To the disk; takes long enough to keep it out of the event loop."""
    file.flush()
    os.fsync(file.fileno())


def _pause(definition: Http, done: int, answer: Answer | None) -> float:
    """Seconds until the next request: what the server asks for, else doubling with jitter."""
    asked = _retry_after(answer.retry_after) if answer and answer.retry_after else None
    if asked is None:
        asked = definition.retry_delay_sec * 2.0**done * random.uniform(0.8, 1.2)  # noqa: S311
    return min(asked, definition.max_retry_delay_sec)


def _retry_after(value: str) -> float | None:
    """Seconds from either form of `Retry-After`, or None if it is neither."""
    if value.strip().isdecimal():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _outputs(definition: Http, answer: Answer) -> dict[str, Any]:
    outputs: dict[str, Any] = {
        "status": answer.status,
        "headers": answer.headers,
        "size": answer.size,
    }
    if definition.save is not None:
        outputs["file"] = definition.save
    elif answer.headers.get("content-type", "").partition(";")[0].strip().endswith("json"):
        outputs["json"] = answer.json()
    if definition.save is None and outputs.get("json") is None:
        outputs["body"] = answer.text()
    return outputs
