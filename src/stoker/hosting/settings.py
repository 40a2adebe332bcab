"""Code hosts that are not well known, and tokens: the file `hosting.toml` of a state directory.

    [hosts."git.example.com"]
    provider = "gitea"
    api = "https://git.example.com/api/v1"
    token_env = "GIT_EXAMPLE_TOKEN"     # or token = "...", in a file that only its owner reads
    webhook_secret_env = "GIT_EXAMPLE_HOOK"   # or webhook_secret = "..."

Tokens for the well-known hosts are taken from the variables of `WELL_KNOWN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import asdict, replace

from stoker.hosting.errors import TokenMissing
from stoker.hosting.model import Provider
from stoker.toml_file import BadFile, read

FILE: Final = "hosting.toml"


class Host(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code host, and where its token is."""

    provider: Provider | None = None
    api: str | None = None
    token: str | None = None
    token_env: str | tuple[str, ...] = ()
    webhook_secret: str | None = None
    """What its webhooks are signed with."""
    webhook_secret_env: str | None = None

    def __repr__(self) -> str:
        return f"Host(provider={self.provider!r}, api={self.api!r}, token=***)"


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """By host as a remote's URL has it: with its port, or for any."""

    hosts: dict[str, Host] = {}

    def host(self, name: str) -> Host | None:
        """What is known of a host."""
        bare = name.partition(":")[0]
        known = WELL_KNOWN.get(name)
        found = self.hosts.get(name) or self.hosts.get(bare)
        if known is None or found is None:
            return found or known
        return replace(known, **{name: value for name, value in asdict(found).items() if value})


WELL_KNOWN: Final[Mapping[str, Host]] = {
    "github.com": Host(
        provider="github",
        api="https://api.github.com",
        token_env=("STOKER_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"),
    ),
    "gitlab.com": Host(
        provider="gitlab",
        api="https://gitlab.com/api/v4",
        token_env=("STOKER_GITLAB_TOKEN", "GITLAB_TOKEN"),
    ),
    "codeberg.org": Host(
        provider="gitea", api="https://codeberg.org/api/v1", token_env=("CODEBERG_TOKEN",)
    ),
    "gitea.com": Host(provider="gitea", api="https://gitea.com/api/v1", token_env=("GITEA_TOKEN",)),
}


def load(directory: Path) -> Settings:
    """Of a state directory; empty if it has none. Raises `BadFile`."""
    path = directory / FILE
    settings = read(
        path,
        Settings,
        secret=lambda found: any(
            host.token or host.webhook_secret for host in found.hosts.values()
        ),
    )
    for name, host in settings.hosts.items():
        if name not in WELL_KNOWN and (host.provider is None or host.api is None):
            raise BadFile(str(path), f'hosts."{name}": expected provider and api')
        parts = urlsplit(host.api or "https://x")
        if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
            raise BadFile(str(path), f'hosts."{name}".api: expected an http(s) URL')
    return settings


def token(settings: Settings, name: str, environ: Mapping[str, str]) -> str:
    """For a host. Raises `TokenMissing`, `BadFile`."""
    host = settings.host(name) or Host()
    variables = (host.token_env,) if isinstance(host.token_env, str) else host.token_env
    given = (host.token or "", *(environ.get(variable, "") for variable in variables))
    found = next((word.strip() for word in given if word.strip()), None)
    if found is None:
        raise TokenMissing(name, " or ".join((*(f"${v}" for v in variables), FILE)))
    if not (found.isascii() and found.isprintable() and " " not in found):
        raise BadFile(FILE, f"the token for {name} has characters no token has")
    return found


def webhook_secret(settings: Settings, name: str, environ: Mapping[str, str]) -> str | None:
    """Of a host; None: its webhooks are not taken."""
    host = settings.host(name) or Host()
    return host.webhook_secret or environ.get(host.webhook_secret_env or "") or None
