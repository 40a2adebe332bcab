"""What code hosts send when something has happened to a pull request.

Only which one it is is taken from it: how that stands is asked of the host itself. So a message
that is sent again, or late, does no harm.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from stoker.hosting.model import Provider


class Unsigned(Exception):
    """The message is by nobody who knows the secret."""


class About(Struct, frozen=True):
    """A pull request."""

    repository: str
    """`owner/name`."""
    number: int


def verify(provider: Provider, headers: Mapping[str, str], body: bytes, secret: str) -> None:
    """`headers`: by their names in lower case. Raises `Unsigned`."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if provider == "gitlab":
        name, expected = "x-gitlab-token", secret
    elif provider == "gitea":
        name, expected = "x-gitea-signature", digest
    else:
        name, expected = "x-hub-signature-256", f"sha256={digest}"
    given = headers.get(name)
    if given is None:
        raise Unsigned(f"{name} is missing: the webhook needs the secret")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise Unsigned(f"{name} was not made with the secret")


def about(body: bytes) -> About | None:
    """Which pull request it is about; None: none. Raises `ValueError` for what is no JSON."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    repository = _at(told, "repository", "full_name") or _at(told, "project", "path_with_namespace")
    numbers = [
        _at(told, "pull_request", "number"),  # GitHub, Gitea
        _at(told, "issue", "number"),  # there, comments in general
        _at(told, "merge_request", "iid"),  # GitLab's comments
    ]
    if _at(told, "object_kind") == "merge_request":
        numbers.append(_at(told, "object_attributes", "iid"))
    number = next((one for one in numbers if isinstance(one, int)), None)
    if not isinstance(repository, str) or number is None:
        return None
    return About(repository, number)


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
