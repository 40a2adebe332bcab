"""Kind `http`: one request, sent again where that is safe, and what its answer must be."""

from __future__ import annotations

import re
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from msgspec import field

from stoker.engine.kinds import Attempt, Result, Work
from stoker.plan.model import Scalar, Step
from stoker.steps.kind import BaseKind, Definition

Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
StatusPattern = int | str


class Expect(Definition, frozen=True):
    """What an answer must be; all of it."""

    status: StatusPattern | tuple[StatusPattern, ...] = "2xx"
    """A status, a class of them such as `2xx`, or a list of both."""
    headers: dict[str, str] = field(default_factory=dict)
    """Name -> the value, or a `/regular expression/` to be found in it."""
    json: dict[str, Any] = field(default_factory=dict)
    """Path in the JSON body, such as `items[0].name` -> the value there."""
    condition: str | None = None
    """An expression over `status`, `headers` (names in lower case), `body` and `json`, such
    as `json.count > 3 and headers['x-state'] == 'done'`."""


class Http(Definition, frozen=True):
    """An HTTP request."""

    url: str
    """`http://` or `https://`."""
    method: Method = "GET"
    headers: dict[str, Scalar] = field(default_factory=dict)
    """Header fields. A method that is not idempotent gets an `Idempotency-Key` unless one is
    given: the same after a crash, another for each attempt of the step."""
    query: dict[str, Scalar | tuple[Scalar, ...]] = field(default_factory=dict)
    """Query parameters, added to those in the URL; a list repeats its name."""
    params: dict[str, Scalar | tuple[Scalar, ...]] = field(default_factory=dict)
    """Another word for `query`."""
    body: str | None = None
    """Text to send, as UTF-8."""
    json: Any = None
    """A value to send as JSON."""
    form: dict[str, Scalar | tuple[Scalar, ...]] | None = None
    """Fields to send as a form (`application/x-www-form-urlencoded`)."""
    timeout_sec: float = 60.0
    """For one request and its whole answer."""
    retries: int = 3
    """How often to send again: after 429, 503 and failed connections always; after any other
    5xx and lost connections if the method is idempotent or the plan gives an `Idempotency-Key`;
    after a status that `expect` names never."""
    retry_delay_sec: float = 0.5
    """Pause before the first repetition, doubled for each further one; `Retry-After` wins."""
    max_retry_delay_sec: float = 60.0
    """Longest pause, whatever `Retry-After` says."""
    expect: Expect = field(default_factory=Expect)
    """What the answer must be for the step to succeed."""
    save: str | None = None
    """File for the body, relative to the step's directory; replaced in one step."""
    follow_redirects: bool = True
    verify: bool | str = True
    """False: any certificate will do. Text: a file of certificate authorities to trust."""
    max_bytes: int = 32 * 1024 * 1024
    """A longer body fails the step."""


class HttpKind(BaseKind[Http]):
    """Sends a request with httpx, in the engine's own loop."""

    name = "http"
    definition = Http

    def check(self, step: Step, definition: Http) -> list[str]:
        """A URL, one body at most, sane numbers, and expectations that can be read."""
        problems = []
        url = definition.url
        if "${{" not in url:
            try:
                parts = urlsplit(url)
                sound = parts.scheme in ("http", "https") and parts.netloc and parts.port != 0
            except ValueError:  # it would quote a piece, which may be of a password
                return ["url: it cannot be read"]
            if not sound:
                problems.append(f"url: expected http:// or https://, found {shown(url)!r}")
        if [definition.body, definition.json, definition.form].count(None) < 2:
            problems.append("expected one of 'body', 'json' and 'form', found more")
        if definition.query and definition.params:
            problems.append("query and params are the same; expected one of them")
        for name in ("timeout_sec", "max_bytes"):
            if getattr(definition, name) <= 0:
                problems.append(f"{name}: expected more than 0, found {getattr(definition, name)}")
        for name in ("retries", "retry_delay_sec", "max_retry_delay_sec"):
            if getattr(definition, name) < 0:
                problems.append(f"{name}: expected 0 or more, found {getattr(definition, name)}")
        return problems + [f"expect.{problem}" for problem in check_expect(definition.expect)]

    def tool(self, step: Step, definition: Http) -> str:
        """The host: one that is down says nothing about another."""
        return f"http:{urlsplit(definition.url).hostname or ''}"

    def start(self, step: Step, definition: Http, attempt: Attempt) -> Work:
        """A coroutine that sends, waits and checks."""
        return _start(definition, attempt)


async def _start(definition: Http, attempt: Attempt) -> Result:
    # httpx takes 130 ms to import: only a run that sends a request pays for it.
    from stoker.steps.http_client import send

    return await send(definition, attempt)


def shown(url: str) -> str:
    """A URL for people: without user, password, query values and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query else "")


_CLASS: Final = re.compile(r"[1-5]xx|[1-5]\d\d", re.IGNORECASE)


def patterns(expect: Expect) -> tuple[str, ...]:
    """The statuses expected, as three characters each: `204` or `2xx`."""
    status = expect.status if isinstance(expect.status, tuple) else (expect.status,)
    return tuple(str(pattern).lower() for pattern in status)


def expected(expect: Expect, status: int) -> bool:
    """Whether a status is one of those expected."""
    return any(pattern in (str(status), f"{status // 100}xx") for pattern in patterns(expect))


def json_path(path: str) -> str:
    """The expression for a place in the JSON body."""
    return f"json{path}" if path.startswith("[") else f"json.{path}"


def regular(value: str) -> re.Pattern[str] | None:
    """The regular expression of an expected header that is written as one. Raises `re.error`."""
    if len(value) >= 2 and value[0] == value[-1] == "/":
        return re.compile(value[1:-1])
    return None


def check_expect(expect: Expect) -> list[str]:
    """What of it cannot be read."""
    from stoker.plan.expression import ExpressionError, compile_expression

    problems = [
        f"status: expected a status or a class such as '2xx', found {pattern!r}"
        for pattern in patterns(expect)
        if not _CLASS.fullmatch(pattern) and "${{" not in pattern
    ]
    for name, value in expect.headers.items():
        try:
            regular(value)
        except re.error as error:
            problems.append(f"headers.{name}: {value} is not a regular expression: {error}")
    texts = [(f"json.{path}", json_path(path)) for path in expect.json]
    texts += [("condition", expect.condition)] if expect.condition is not None else []
    for place, text in texts:
        try:
            compile_expression(text)
        except ExpressionError as error:
            problems.append(f"{place}: {error}")
    return problems


KIND = HttpKind()
