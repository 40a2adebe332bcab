"""What can go wrong between a client and a server."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec

from stoker.wire.problems import ProblemDetails


class StokerError(Exception):
    """All errors of a client."""


class Unreachable(StokerError):
    """The server does not answer, or what answers is no server of Stoker's."""


class Missed(StokerError):
    """A stream of everything has left out events, as after a long silence: look anew."""


class ApiError(StokerError):
    """The server has refused."""

    def __init__(self, problem: ProblemDetails, retry_after: float | None = None) -> None:
        """`retry_after`: when it may be worth another try, in seconds."""
        super().__init__(_told(problem))
        self.problem = problem
        self.status = problem.status
        self.retry_after = retry_after

    @property
    def name(self) -> str:
        """What the problem's type ends with, such as `run-over`; empty: the status says it all."""
        return "" if self.problem.type == "about:blank" else self.problem.type.rpartition(":")[2]


class InvalidRequest(ApiError):
    """Something is wrong with what was sent: `problem.errors` says what, and where (400, 422)."""


class Unauthorized(ApiError):
    """A token is needed, or this one is none (401)."""


class Forbidden(ApiError):
    """The token's scope does not allow it, or a path is outside the server's roots (403)."""


class NotFound(ApiError):
    """There is no such thing (404)."""


class Conflict(ApiError):
    """It cannot be done as things stand (409, 412)."""


class TooManyRequests(ApiError):
    """The server is asked too often (429)."""


class ServerFault(ApiError):
    """The server could not do what it should (500 and more)."""


_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    422: InvalidRequest,
    429: TooManyRequests,
}


def api_error(status: int, body: bytes, retry_after: float | None) -> ApiError:
    """The error an answer tells of, also one that something before the server gave."""
    try:
        problem = msgspec.json.decode(body, type=ProblemDetails)
    except msgspec.DecodeError:
        known = status in HTTPStatus._value2member_map_
        title = HTTPStatus(status).phrase if known else "Error"
        problem = ProblemDetails(type="about:blank", title=title, status=min(max(status, 400), 599))
    kind = _BY_STATUS.get(status, ServerFault if status >= 500 else ApiError)
    return kind(problem, retry_after)


def _told(problem: ProblemDetails) -> str:
    faults = "; ".join(
        ": ".join(filter(None, (fault.pointer or fault.parameter, fault.detail)))
        for fault in problem.errors
    )
    return ": ".join(filter(None, (problem.detail or problem.title, faults)))
