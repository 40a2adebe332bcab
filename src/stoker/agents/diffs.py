"""Unified diffs of what agents say they change."""

from __future__ import annotations

from typing import Any

from stoker.agents.bounds import LIMIT, clip


def unified(old: str, new: str) -> str:
    """From the first `@@` on; empty if nothing differs."""
    import difflib

    if len(old) + len(new) > 5 * LIMIT:
        return f"@@ too large to compare: {len(old)} and {len(new)} characters @@\n"
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=3)
    return clip("".join(f"{line}\n" for line in list(lines)[2:]))


def patch(hunks: Any) -> str:
    """From the hunks that Claude-style agents tell."""
    out = []
    for hunk in hunks:
        old, new = (f"{hunk[f'{side}Start']},{hunk[f'{side}Lines']}" for side in ("old", "new"))
        out.append(f"@@ -{old} +{new} @@")
        out += [str(line) for line in hunk["lines"]]
    return clip("".join(f"{line}\n" for line in out))
