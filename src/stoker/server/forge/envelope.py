"""The form of every answer here: four keys, always; and what errors become in it."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar

import litestar
import msgspec
from litestar.exceptions import ValidationException
from msgspec import Struct

from stoker.agents.profiles import UnknownProfile
from stoker.plan.errors import PlanError
from stoker.server.params import Asked
from stoker.server.problems import Told, refused
from stoker.tasks.errors import Conflict, Invalid, Unknown
from stoker.workspace.errors import MergeConflict, RebaseInProgress, UnsafePath, WorkspaceError

T = TypeVar("T")

_JSON: Final = "application/json"
_TEXT: Final = "text/plain"

get = partial(litestar.get, include_in_schema=False)
post = partial(litestar.post, include_in_schema=False, status_code=200)
put = partial(litestar.put, include_in_schema=False)
delete = partial(litestar.delete, include_in_schema=False, status_code=200)


class Envelope(Struct, frozen=True, kw_only=True):
    """An answer."""

    success: bool
    data: Any = None
    error_data: Any = None
    message: str | None = None


class Business(Exception):
    """A request that was understood and cannot be met: told with status 200."""

    def __init__(self, message: str | None, error_data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.error_data = error_data


class Unreadable(Exception):
    """A request whose body or query cannot be read: told as plain text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Failed(Exception):
    """What the contract says is told with a status of its own, mostly 500."""

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.status = status


def ok(data: Any = None) -> Envelope:
    """The answer that holds `data`."""
    return Envelope(success=True, data=data)


async def read(request: Asked, type_: type[T]) -> T:
    """The body; none, and `null`, are an empty object. Raises `Unreadable`."""
    raw = (await request.body()).strip()
    return parsed(b"{}" if raw in (b"", b"null") else raw, type_)


def parsed(raw: bytes | str, type_: type[T]) -> T:
    """What is in JSON. Raises `Unreadable`."""
    try:
        return msgspec.json.decode(raw, type=type_)
    except msgspec.ValidationError as error:
        raise Unreadable(422, f"Failed to deserialize the JSON body: {error}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable(400, f"Failed to parse the request body as JSON: {error}") from error


def speaks(path: str) -> bool:
    """Whether errors of requests for this path have the form of this module."""
    return path in ("/health", "/api") or path.startswith("/api/")


def told(error: Exception) -> Told:
    """What a client is told of an error."""
    if isinstance(error, Unreadable):
        return Told(status=error.status, media_type=_TEXT, body=str(error).encode())
    if isinstance(error, ValidationException):
        return Told(status=400, media_type=_TEXT, body=_query(error).encode())
    if isinstance(error, Business):
        return _told(200, error.message, error.error_data)
    if isinstance(error, Failed):
        return _told(error.status, str(error))
    if isinstance(error, Unknown):
        return _told(404, str(error))
    if isinstance(error, Conflict | MergeConflict | RebaseInProgress):
        return _told(409, str(error))
    if isinstance(error, Invalid | UnknownProfile | PlanError | UnsafePath):
        return _told(400, str(error))
    if isinstance(error, WorkspaceError):
        return _told(500, f"GitServiceError: {error}")
    problem = refused(error)
    return msgspec.structs.replace(
        _told(problem.status, problem.detail or HTTPStatus(problem.status).phrase),
        headers=problem.headers,
    )


def _told(status: int, message: str | None, error_data: Any = None) -> Told:
    body = Envelope(success=False, message=message, error_data=error_data)
    return Told(status=status, media_type=_JSON, body=msgspec.json.encode(body))


def _query(error: ValidationException) -> str:
    faults: list[Any] = error.extra if isinstance(error.extra, list) else []
    said = [f"{fault.get('key')}: {fault.get('message')}" for fault in faults]
    return f"Failed to deserialize query string: {'; '.join(said) or error.detail}"
