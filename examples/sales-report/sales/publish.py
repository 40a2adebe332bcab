"""The site made public: visitors see the old one or the new one, never something between."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from sales import places

HISTORY = "history.jsonl"


def publish(build: str, public: str) -> dict[str, Any]:
    """Copy the site to `releases/DIGEST` and point the link `current` to it."""
    site, releases = places.site(build), Path(public, "releases")
    digest = hashlib.sha256()
    for page in sorted(site.glob("*.html")):
        digest.update(f"{page.name}\0".encode() + hashlib.sha256(page.read_bytes()).digest())
    release = releases / digest.hexdigest()[:16]
    if not release.exists():
        partial = releases / f".{release.name}"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(site, partial)
        partial.replace(release)
    link = Path(public, ".current")
    link.unlink(missing_ok=True)
    link.symlink_to(f"releases/{release.name}")
    link.replace(Path(public, "current"))
    # By what was announced, not by the link: a run cut short in between announces it still.
    return {"release": release.name, "changed": _announced(public) != release.name}


def announce(public: str, release: str, total: str) -> None:
    """Append the release to `history.jsonl`."""
    with Path(public, HISTORY).open("a", encoding="utf-8") as history:
        history.write(json.dumps({"release": release, "total": total}) + "\n")


def _announced(public: str) -> str | None:
    """The release that was announced last."""
    try:
        lines = Path(public, HISTORY).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    return str(json.loads(lines[-1])["release"]) if lines else None
