"""Who may use the server: tokens, of which only digests are kept.

A token is 256 random bits, so a plain SHA-256 of it tells nothing and needs no slow hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct

from stoker import whole_file

Scope = Literal["read", "run", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
"""Each includes those before it. `run` can execute anything as the server's user."""

_PREFIX = "stk"


class BadToken(Exception):
    """No such token, or one of that name is there already."""


class Token(Struct, frozen=True):
    """One token, as it is kept."""

    id: str
    name: str
    scope: Scope
    digest: str
    created_at: float

    def allows(self, scope: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


NOBODY: Final = Token("", "local", "admin", "", 0.0)
"""Who asks over loopback where there are no tokens, and with what only the owner of the state
directory can read."""


class Tokens:
    """The tokens in a file that only its owner may read. Changes by other processes are seen."""

    def __init__(self, directory: Path) -> None:
        """`directory` is the state directory."""
        self._path = directory / "tokens.json"
        self._seen: tuple[int, int, int] | None = None
        self._tokens: dict[str, Token] = {}
        self.own = secrets.token_urlsafe(32)
        """Does everything, for as long as this process lives."""

    def all(self) -> list[Token]:
        """Every token, oldest first. Raises `OSError`."""
        return list(self._read().values())

    def check(self, text: str) -> Token | None:
        """The token that `text` is."""
        if hmac.compare_digest(_digest(text), _digest(self.own)):
            return NOBODY
        prefix, _, rest = text.partition("_")
        token_id, _, _ = rest.partition("_")
        token = self._read().get(token_id) if prefix == _PREFIX else None
        # As long for a wrong id as for a wrong secret.
        digest = token.digest if token is not None else _digest("")
        return token if hmac.compare_digest(_digest(text), digest) else None

    def create(self, name: str, scope: Scope) -> str:
        """A new token, which is told only now. Raises `BadToken`, `OSError`."""
        token_id = secrets.token_hex(4)
        text = f"{_PREFIX}_{token_id}_{secrets.token_urlsafe(32)}"
        with self._changing() as tokens:
            if any(token.name == name for token in tokens.values()):
                raise BadToken(f"there is a token {name!r} already; revoke it first")
            tokens[token_id] = Token(token_id, name, scope, _digest(text), time.time())
        return text

    def revoke(self, name: str) -> None:
        """Forget the token of that name or id. Raises `BadToken`, `OSError`."""
        with self._changing() as tokens:
            found = [token.id for token in tokens.values() if name in (token.name, token.id)]
            if not found:
                raise BadToken(f"there is no token {name!r}; see `stoker serve token list`")
            for token_id in found:
                del tokens[token_id]

    def _read(self) -> dict[str, Token]:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._seen, self._tokens = None, {}
            return self._tokens
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen != self._seen:
            tokens = msgspec.json.decode(self._path.read_bytes(), type=list[Token])
            self._tokens = {token.id: token for token in tokens}
            self._seen = seen
        return self._tokens

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Token]]:
        lock = os.open(
            self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            tokens = dict(self._read())
            yield tokens
            content = msgspec.json.format(msgspec.json.encode(list(tokens.values())))
            whole_file.replace(self._path, content, sync=True)
        finally:
            os.close(lock)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
