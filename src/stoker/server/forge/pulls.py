"""Attempts where their repository is hosted: pushes and pull requests, in the words of the
contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar import Request
from msgspec import Struct

from stoker.hosting import errors
from stoker.server.forge import find
from stoker.server.forge.envelope import Business, Envelope, ok, post, read
from stoker.server.params import App, Name
from stoker.tasks.errors import Unknown
from stoker.toml_file import BadFile
from stoker.workspace.errors import RemoteFailed

_ONE = "/api/task-attempts/{attempt_id:str}"
_NAMES: tuple[tuple[type[Exception], str], ...] = (
    (errors.TokenInvalid, "TOKEN_INVALID"),
    (errors.TokenMissing, "TOKEN_INVALID"),
    (errors.InsufficientPermissions, "INSUFFICIENT_PERMISSIONS"),
    (errors.RepositoryNotFound, "REPO_NOT_FOUND_OR_NO_ACCESS"),
)


class Proposal(Struct, frozen=True, kw_only=True):
    """What the pull request is to say."""

    title: str | None = None
    body: str | None = None
    target_branch: str | None = None
    base_branch: str | None = None
    """What older clients call it."""


@contextmanager
def _told() -> Iterator[None]:
    """What a code host refused is told with status 200."""
    try:
        yield
    except (errors.HostingError, BadFile, RemoteFailed) as error:
        name = next((name for kind, name in _NAMES if isinstance(error, kind)), None)
        raise Business(str(error), name) from error


@post(f"{_ONE}/push")
async def push(service: App, attempt_id: Name) -> Envelope:
    record = await find.attempt(service, attempt_id)
    with _told():
        await service.tasks.pulls.push(record.attempt_id)
    return ok()


@post(f"{_ONE}/pr")
async def create(service: App, request: Request[Any, Any, Any], attempt_id: Name) -> Envelope:
    body = await read(request, Proposal)
    record = await find.attempt(service, attempt_id)
    with _told():
        made = await service.tasks.pulls.create(
            record.attempt_id,
            title=body.title,
            body=body.body,
            target=body.target_branch or body.base_branch,
        )
    return ok(made.url)


@post(f"{_ONE}/pr/attach")
async def attach(service: App, attempt_id: Name) -> Envelope:
    """Its body is of no importance: it is looked for by the branch."""
    record = await find.attempt(service, attempt_id)
    try:
        with _told():
            found = await service.tasks.pulls.attach(record.attempt_id)
    except Unknown:
        none = {"pr_url": None, "pr_number": None, "pr_status": None}
        return ok({"pr_attached": False, **none})
    about = {"pr_url": found.url, "pr_number": found.number, "pr_status": found.status}
    return ok({"pr_attached": True, **about})


ROUTES = [push, create, attach]
