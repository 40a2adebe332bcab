"""Which code host, and which repository there, a git remote's URL means."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from stoker.hosting.errors import NotHosted
from stoker.hosting.model import Remote
from stoker.hosting.settings import FILE, Settings

_SCP: Final = re.compile(r"(?:[^@/:]+@)?(?P<host>\[[^\]]+\]|[^/:]+):(?!//)(?P<path>.+)")
_ALIASES: Final = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}
"""Where their ssh is on port 443."""


def detect(url: str, settings: Settings) -> Remote:
    """The repository behind `https://host/owner/name.git`, `ssh://git@host/owner/name` or
    `git@host:owner/name.git`. Raises `NotHosted`."""
    scheme, host, path = _parts(url.strip())
    known = settings.host(host)
    if known is None or known.provider is None or known.api is None:
        raise NotHosted(
            f"it is not known what speaks at {host}: say provider and api of "
            f'[hosts."{host}"] in {FILE}'
        )
    api = known.api.rstrip("/")
    words = [unquote(word) for word in path.strip("/").split("/")]
    if scheme in ("http", "https"):
        # Where the whole host is under a path, remotes begin with it and the API's URL too.
        prefix = urlsplit(api).path.partition("/api/")[0].strip("/").split("/")
        if prefix != [""] and words[: len(prefix)] == prefix:
            words = words[len(prefix) :]
    *owner, name = words
    name = name.removesuffix(".git")
    nested = known.provider == "gitlab"
    if not all((*owner, name)) or not owner or (len(owner) > 1 and not nested):
        raise NotHosted(f"expected the URL of a repository at {host}, found the path {path!r}")
    if {".", ".."} & {*owner, name}:
        raise NotHosted(f"the path {path!r} names no repository")
    return Remote(
        provider=known.provider,
        host=host,
        api=api,
        owner="/".join(owner),
        name=name,
        push_url=f"{scheme}://{host}/{path.strip('/')}" if scheme in ("http", "https") else None,
    )


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, host (with its port if that tells hosts apart) and path, without credentials."""
    if "://" not in url:
        match = _SCP.fullmatch(url)
        if match is None:
            raise NotHosted("the remote is a directory, not a repository at a code host")
        return "ssh", _known_as(match["host"]), match["path"]
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "ssh", "git+ssh") or not parts.hostname:
        raise NotHosted(f"expected an https or ssh URL, found one of {parts.scheme or 'nothing'}")
    if parts.scheme in ("http", "https"):
        return parts.scheme, parts.netloc.rpartition("@")[2].lower(), parts.path
    return "ssh", _known_as(parts.hostname), parts.path


def _known_as(host: str) -> str:
    host = host.lower()
    return _ALIASES.get(host, host)
