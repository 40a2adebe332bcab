"""What went wrong, told as problem details (RFC 9457): the one form of error there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from msgspec import Struct, field

from stoker.chains.errors import ChainError, UnknownPlan
from stoker.engine.commands import CommandRefused
from stoker.hosting.errors import (
    AlreadyExists,
    HostingError,
    InsufficientPermissions,
    NotHosted,
    RateLimited,
    Rejected,
    RepositoryNotFound,
    TokenInvalid,
    TokenMissing,
)
from stoker.journal.base import JournalError, JournalTooNew, RunBusy, RunExists, RunOver, UnknownRun
from stoker.log import get_logger
from stoker.plan.errors import PlanError, Problem
from stoker.tasks.errors import Invalid, TasksError, Unknown
from stoker.toml_file import BadFile
from stoker.wire.problems import Fault, ProblemDetails
from stoker.workspace.errors import (
    AuthFailed,
    GitFailed,
    InvalidName,
    MergeConflict,
    NotARepository,
    PushRejected,
    RebaseInProgress,
    RemoteFailed,
    RemoteUnreachable,
    UnknownBranch,
    UnknownCommit,
    UnsafePath,
    WorkspaceError,
    printable,
)

MEDIA_TYPE = "application/problem+json"

log = get_logger(__name__)


class Refused(Exception):
    """The request cannot be answered. Raised by whoever finds out; told as `ProblemDetails`."""

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        errors: Iterable[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`name`: last part of the problem's type."""
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})

    @property
    def details(self) -> ProblemDetails:
        title = HTTPStatus(self.status).phrase if not self.name else self.name.replace("-", " ")
        return ProblemDetails(
            type=f"urn:stoker:problem:{self.name}" if self.name else "about:blank",
            title=title[0].upper() + title[1:],
            status=self.status,
            detail=self.detail,
            errors=self.errors,
        )


def not_found(what: str) -> Refused:
    return Refused(404, "not-found", what)


def faults(problems: Iterable[Problem], above: str = "") -> list[Fault]:
    """What is wrong with a plan; `above` is the pointer to the plan in the request."""
    return [
        Fault(
            detail=one.message,
            pointer=one.pointer if one.file else above + one.pointer,
            file=one.file,
            line=one.line,
            column=one.column,
            severity=one.severity,
        )
        for one in problems
    ]


def invalid_plan(problems: Iterable[Problem], above: str = "") -> Refused:
    """A plan with these faults; `above` as for `faults`."""
    errors = faults(problems, above)
    count = f"{len(errors)} problem{'' if len(errors) == 1 else 's'}"
    return Refused(422, "invalid-plan", count, errors=errors)


_FAULT: Final = "this is a fault of the server; its log tells more"
_KNOWN: Final[Mapping[type, tuple[int, str, str]]] = {
    UnknownRun: (404, "not-found", "there is no such run"),
    RunExists: (409, "run-exists", ""),
    RunBusy: (409, "run-busy", ""),
    RunOver: (409, "run-over", ""),
    CommandRefused: (409, "refused", ""),
    JournalError: (503, "journal", "no journal now"),
    JournalTooNew: (500, "", _FAULT),
    TasksError: (409, "conflict", ""),
    Unknown: (404, "not-found", ""),
    Invalid: (422, "invalid-request", ""),
    WorkspaceError: (409, "conflict", ""),
    UnknownCommit: (404, "not-found", ""),
    NotARepository: (422, "invalid-request", ""),
    UnknownBranch: (422, "invalid-request", ""),
    InvalidName: (422, "invalid-request", ""),
    UnsafePath: (422, "invalid-request", ""),
    MergeConflict: (409, "merge-conflict", ""),
    RebaseInProgress: (409, "rebase-in-progress", ""),
    GitFailed: (500, "", "git failed; the server's log tells more"),
    RemoteFailed: (502, "remote-failed", ""),
    PushRejected: (409, "push-rejected", ""),
    AuthFailed: (502, "remote-denied", ""),
    RemoteUnreachable: (502, "remote-unreachable", ""),
    BadFile: (409, "bad-settings", ""),
    ChainError: (409, "refused", ""),
    UnknownPlan: (404, "not-found", ""),
    HostingError: (502, "host-failed", ""),
    NotHosted: (409, "not-hosted", ""),
    TokenMissing: (409, "token-missing", ""),
    AlreadyExists: (409, "pull-request-exists", ""),
    Rejected: (422, "host-rejected", ""),
    TokenInvalid: (502, "token-invalid", ""),
    InsufficientPermissions: (502, "insufficient-permissions", ""),
    RepositoryNotFound: (502, "repository-not-found", ""),
    RateLimited: (503, "host-rate-limited", ""),
}
"""Status, name and, where the error's own words are not for everybody, detail; an error that is
not here is told as the nearest of its bases."""


def refused(error: Exception) -> Refused:
    """What to tell about an error; one that nobody foresaw is logged, and told without detail."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, PlanError):
        return invalid_plan(error.problems)
    if isinstance(error, ValidationException):
        return _invalid(error)
    if isinstance(error, RecursionError):
        return Refused(400, "malformed", "nested too deeply")
    if isinstance(error, InternalServerException) and "disconnected" in error.detail:
        return Refused(400, "malformed", "the request ended before its body did")  # to nobody
    if isinstance(error, HTTPException) and error.status_code < 500:
        return Refused(error.status_code, "", _plain(error), headers=error.headers)
    known = next((_KNOWN[kind] for kind in type(error).__mro__ if kind in _KNOWN), None)
    if known is None:
        _log(error)
        return Refused(500, "", _FAULT)
    status, name, detail = known
    if detail and status >= 500:
        log.error("request failed", error=str(error))
    errors: list[Fault] = []
    wait: float | None = 4 if name == "journal" else None
    if isinstance(error, MergeConflict):
        errors = [Fault(detail="in conflict", file=printable(file)) for file in error.files]
    elif isinstance(error, RunBusy):
        wait = error.lease_sec
    elif isinstance(error, RateLimited):
        wait = error.retry_after
    headers = {} if wait is None else {"Retry-After": str(int(wait) + 1)}
    return Refused(status, name, detail or str(error), errors=errors, headers=headers)


class Told(Struct, frozen=True, kw_only=True):
    """What a client is told of an error."""

    status: int
    media_type: str = MEDIA_TYPE
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def told(error: Exception) -> Told:
    """As problem details."""
    problem = refused(error)
    body = msgspec.json.encode(problem.details)
    return Told(status=problem.status, body=body, headers=problem.headers)


_AT = re.compile(r" - at `(?:key in )?\$(.*)`$")
_PART = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]")


def _invalid(error: ValidationException) -> Refused:
    """The faults Litestar found, with pointers into the body."""
    told: list[Any] = error.extra if isinstance(error.extra, list) else []
    if not told:
        return Refused(400, "malformed", _plain(error))
    found = [_fault(one, str(error.__cause__ or "")) for one in told]
    in_path = all(one.get("source") == "path" for one in told)
    return Refused(404 if in_path else 422, "invalid-request", "", errors=found)


def _fault(told: Mapping[str, Any], whole: str) -> Fault:
    """`whole` is the validator's own message: only there is the place told in full."""
    message, key = str(told.get("message")), str(told.get("key", ""))
    if told.get("source") != "body" and key.partition(".")[0] != "data":
        return Fault(detail=message, parameter=key)
    match = _AT.search(whole)
    parts = [name or index for name, index in _PART.findall(match[1])] if match else ["data"]
    if parts[:1] != ["data"]:  # another fault was found first
        parts = ["data"]
    return Fault(detail=message, pointer="".join(f"/{part}" for part in parts[1:]))


def _plain(error: HTTPException) -> str:
    """Without what a library says of itself."""
    detail = str(error.detail)
    return "" if detail == HTTPStatus(error.status_code).phrase else detail


def _log(error: Exception) -> None:
    """Where it happened, without the message: that may hold what nobody must read."""
    import traceback

    cause = error.__cause__ or error
    frames = "".join(traceback.format_tb(cause.__traceback__))
    log.error("request failed", error=type(cause).__name__, exception=frames)
