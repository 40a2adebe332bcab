"""Where things are in the build directory, and how files get there: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def clean(build: str) -> Path:
    """`MONTH/SHOP.csv`: readable rows."""
    return Path(build, "clean")


def rejected(build: str) -> Path:
    """`SHOP.csv`: a line for each unreadable row; empty if there is none."""
    return Path(build, "rejected")


def site(build: str) -> Path:
    """The pages."""
    return Path(build, "site")


def write(path: Path, text: str) -> None:
    """Write a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
