"""Verification of one commit."""

from __future__ import annotations

from pathlib import Path

from stoker.roadmaps.evidence import Evidence
from stoker.roadmaps.verify.runner import Runner
from stoker.roadmaps.verify.work import Settings, Work
from stoker.workspace.repository import Repository


async def verify(
    repository: Repository, work: Work, settings: Settings, runner: Runner, *, cache: Path
) -> Evidence:
    """What is to be said of `work`. `cache`: a directory where results of base commits are kept
    from one verification to the next; made if it is missing. Raises `GitFailed`, OSError."""
    raise NotImplementedError
