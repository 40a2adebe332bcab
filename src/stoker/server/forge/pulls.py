"""Pull requests."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from stoker.engine.view import iso
from stoker.hosting.errors import (
    HostingError,
    InsufficientPermissions,
    RepositoryNotFound,
    TokenInvalid,
    TokenMissing,
)
from stoker.server.forge import find
from stoker.server.forge.envelope import Business, Envelope, Failed, ok, post, read
from stoker.server.params import App, Asked, Name
from stoker.tasks.errors import Unknown
from stoker.tasks.model import PullRequest
from stoker.toml_file import BadFile
from stoker.workspace.errors import AuthFailed, RemoteFailed

_ONE = "/api/task-attempts/{attempt_id:str}"


class Create(Struct, frozen=True, kw_only=True):
    """What it is to say."""

    title: str
    body: str | None = None
    target_branch: str | None = None


@post(f"{_ONE}/push")
async def push(service: App, attempt_id: Name) -> Envelope:
    record = await find.at_rest(service, attempt_id)
    try:
        await service.tasks.pulls.push(record.attempt_id)
    except (HostingError, BadFile, RemoteFailed) as error:
        raise Failed(f"GitHubServiceError: {error}") from error
    return ok()


@post(f"{_ONE}/pr")
async def create(service: App, request: Asked, attempt_id: Name) -> Envelope:
    body = await read(request, Create)
    record = await find.at_rest(service, attempt_id)
    try:
        made = await service.tasks.pulls.create(record.attempt_id, **asdict(body))
    except (HostingError, BadFile, RemoteFailed) as error:
        raise _refused(error) from error
    return ok(made.url)


@post(f"{_ONE}/pr/attach")
async def attach(service: App, attempt_id: Name) -> Envelope:
    """The branch says which: a number in the body is ignored."""
    record = await find.at_rest(service, attempt_id)
    found: PullRequest | None = None
    try:
        found = await service.tasks.pulls.attach(record.attempt_id)
    except Unknown:
        found = None
    except (HostingError, BadFile) as error:
        raise _refused(error) from error
    return ok(
        {
            "pr_attached": found is not None,
            "pr_url": found and found.url,
            "pr_number": found and found.number,
            "pr_status": found and found.status,
        }
    )


def merge(one: PullRequest) -> dict[str, Any]:
    """As one of an attempt's merges."""
    return {
        "type": "pr",
        "id": one.pull_request_id,
        "task_attempt_id": one.attempt_id,
        "created_at": iso(one.created_at),
        "target_branch_name": one.target_branch,
        "pr_info": {
            "number": one.number,
            "url": one.url,
            "status": one.status,
            "merged_at": None if one.merged_at is None else iso(one.merged_at),
            "merge_commit_sha": one.merge_commit,
        },
    }


def _refused(error: Exception) -> Business:
    """Three reasons have names; others are told in words."""
    if isinstance(error, TokenInvalid | TokenMissing | AuthFailed):
        return Business(None, "TOKEN_INVALID")
    if isinstance(error, InsufficientPermissions):
        return Business(None, "INSUFFICIENT_PERMISSIONS")
    if isinstance(error, RepositoryNotFound):
        return Business(None, "REPO_NOT_FOUND_OR_NO_ACCESS")
    return Business(f"Failed to create PR: {error}")
