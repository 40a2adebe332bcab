"""Documents rewritten: each whole or not at all, and none if one is not what was looked at."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from doc_ids import front_matter
from doc_ids.choice import Restore


class Changed(Exception):
    """Documents are no longer what was looked at; the message names them."""


def rewrite(top: Path, restores: Sequence[Restore]) -> int:
    """Put the lines in; returns how many documents were rewritten. What a run that was cut
    short has rewritten stays as it is. Raises `Changed`, and then nothing is written."""
    pending, changed = [], []
    for restore in restores:
        digest = digest_of(Path(top, restore.path))
        if digest == restore.before:
            pending.append(restore)
        elif digest != restore.after:
            changed.append(restore.path)
    if changed:
        raise Changed(
            f"changed since they were scanned: {', '.join(changed)}; nothing is rewritten"
        )
    for restore in pending:
        path = Path(top, restore.path)
        _replace(path, front_matter.with_line(path.read_bytes(), restore.line))
    return len(pending)


def digest_of(path: Path) -> str | None:
    """SHA-256 of a file; None if there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside it, durable, with the same owner and mode, and rename it over it."""
    status = path.stat()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o600), "wb") as file:  # noqa: PTH123
            file.write(content)
            file.flush()
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
