"""Pushes. They run with a git directory made for the purpose, that shares only objects with the
repository: what its own config says of URLs, proxies, helpers and programs has no say, while the
user's own git config (credential helpers, proxies) has."""

from __future__ import annotations

import asyncio
import base64
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from stoker.process.redact import Redactor
from stoker.workspace import hardening
from stoker.workspace.errors import (
    AuthFailed,
    PushRejected,
    RemoteFailed,
    RemoteUnreachable,
    UnknownBranch,
)
from stoker.workspace.git import TIMEOUT, decode
from stoker.workspace.program import Output, execute
from stoker.workspace.repository import Repository

PROTOCOLS = ("https", "http", "ssh")
"""Not `file`: pushing to a directory runs the hooks that are there."""
_AUTH = re.compile(
    r"authentication failed|could not read (username|password)|terminal prompts disabled"
    r"|permission denied \(|returned error: 40[13]|invalid username or password|access denied"
    r"|permission to .* denied",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"could not resolve host|connection (refused|timed out|reset)|failed to connect"
    r"|no route to host|network is unreachable"
    r"|does not appear to be a git repository"
    r"|repository .*not found"
    r"|returned error: (404|5\d\d)|does not exist|could not read from remote repository"
    r"|unable to access|transport '.*' not allowed",
    re.IGNORECASE,
)


class Credentials(msgspec.Struct, frozen=True):
    """A password or token, sent to no URL but those that begin with `url`."""

    url: str
    password: str
    username: str = "x-access-token"

    def __repr__(self) -> str:
        return f"Credentials(url={self.url!r}, username={self.username!r}, password=***)"


class Pushed(msgspec.Struct, frozen=True):
    """The outcome of a push."""

    commit: str
    remote_branch: str
    changed: bool
    """False: it was there already."""


async def push(
    repository: Repository,
    branch: str,
    *,
    force: bool = False,
    credentials: Credentials | None = None,
) -> Pushed:
    """Push a local branch to the remote `origin`.

    `force`: overwrite, but only what was last seen there. Raises `UnknownBranch`, `PushRejected`,
    `AuthFailed`, `RemoteUnreachable`, `RemoteFailed`.
    """
    (commit,) = await repository.resolve(f"refs/heads/{branch}")
    if commit is None:
        raise UnknownBranch(branch)
    tracking = f"refs/remotes/origin/{branch}"
    args = ["push", "--porcelain", "--no-verify", "--no-signed", "--recurse-submodules=no"]
    if force:
        lease = (await repository.resolve(tracking))[0] or ""
        args.append(f"--force-with-lease=refs/heads/{branch}:{lease}")
    url = await repository.remote_url("origin")
    if url is None:
        raise RemoteUnreachable(("git", "remote"), 2, "there is no remote 'origin'")
    args += ["--", url, f"{commit}:refs/heads/{branch}"]
    async with _apart(repository) as git_dir:
        output = await _talk(repository, git_dir, args, credentials)
    lines = [line.split("\t") for line in decode(output.stdout).splitlines()]
    refused = {
        line[1].partition(":")[2]: line[2] for line in lines if len(line) == 3 and line[0] == "!"
    }
    if refused:
        raise PushRejected(("git", *args), output.code, output.stderr, refused)
    _check(args, output)
    await repository.git.run("update-ref", "-m", "push", tracking, commit)
    return Pushed(commit, branch, changed=not any(line[0] == "=" for line in lines))


@asynccontextmanager
async def _apart(repository: Repository) -> AsyncIterator[Path]:
    """A git directory without refs, hooks and settings."""
    kind = await repository.git.text("rev-parse", "--show-object-format")
    git_dir = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="stoker-git-"))
    try:
        (git_dir / "refs").mkdir()
        (git_dir / "objects").mkdir()
        (git_dir / "HEAD").write_text("ref: refs/heads/none\n")
        extension = f"[extensions]\n\tobjectFormat = {kind}\n" if kind != "sha1" else ""
        version = 1 if extension else 0
        (git_dir / "config").write_text(
            f"[core]\n\trepositoryformatversion = {version}\n\tbare = true\n{extension}"
        )
        shallow = repository.common_dir / "shallow"
        if shallow.exists():
            shutil.copyfile(shallow, git_dir / "shallow")
        yield git_dir
    finally:
        await asyncio.to_thread(shutil.rmtree, git_dir, ignore_errors=True)


async def _talk(
    repository: Repository,
    git_dir: Path,
    args: Sequence[str],
    credentials: Credentials | None,
) -> Output:
    config = [*hardening.SETTINGS, *_authorization(credentials)]
    env: Mapping[str, str] = {
        **hardening.environment(user_config=True),
        "GIT_DIR": str(git_dir),
        "GIT_OBJECT_DIRECTORY": str(repository.common_dir / "objects"),
        "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        **hardening.as_variables(config),
    }
    output = await execute(("git", *args), cwd=str(git_dir), env=env, timeout=TIMEOUT)
    if credentials is None:
        return output
    said = Redactor((credentials.password,)).text(output.stderr)
    return msgspec.structs.replace(output, stderr=said)


def _authorization(credentials: Credentials | None) -> hardening.Settings:
    if credentials is None:
        return ()
    pair = f"{credentials.username}:{credentials.password}".encode()
    header = f"Authorization: Basic {base64.b64encode(pair).decode()}"
    return ((f"http.{credentials.url}.extraHeader", header), ("http.followRedirects", "false"))


def _check(args: Sequence[str], output: Output) -> None:
    if output.code == 0:
        return
    for pattern, error in ((_AUTH, AuthFailed), (_UNREACHABLE, RemoteUnreachable)):
        if pattern.search(output.stderr):
            raise error(("git", *args), output.code, output.stderr)
    raise RemoteFailed(("git", *args), output.code, output.stderr)
