"""Is a step's work done already? By content, never by time stamps.

A step with `outputs_files` is up to date if it succeeded before with the same definition,
the same content of its `inputs_files`, and its outputs are still what it left behind. What
it put out then holds for those who ask for it now. All this is a cache beside the journal:
losing it only costs a rerun.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from stoker import whole_file
from stoker.engine.outputs import artefact
from stoker.plan.model import Step


class Fingerprint(msgspec.Struct, frozen=True):
    """Digests of what a step read (with its definition) and of what it wrote."""

    inputs: str
    outputs: str
    values: dict[str, Any] = {}
    """The step's outputs."""


class Fingerprints:
    """The remembered fingerprints of one plan's steps. The steps it is given have their
    templates filled in."""

    def __init__(self, directory: Path, plan_id: str) -> None:
        self._directory = directory
        self._plan_id = plan_id
        self._read: dict[str, str] = {}
        """Digests of inputs from before the steps ran: what changes meanwhile is not done."""

    def fresh(self, step: Step, cwd: str) -> Fingerprint | None:
        """What is remembered if the step may be skipped. Reads files: call it in a thread.
        Raises `ValueError`, `NotImplementedError` for what is no pattern of files."""
        found = fingerprint(step, cwd)
        self._read[step.id] = found.inputs
        try:
            remembered = msgspec.json.decode(self._path(step).read_bytes(), type=Fingerprint)
        except (OSError, msgspec.DecodeError):
            return None
        files = filter(None, map(artefact, remembered.values.values()))
        patterns = (*step.outputs_files, *step.inputs_files, *files)
        if any(not _matches(pattern, cwd) for pattern in patterns):
            return None  # also for inputs: nothing found is more likely a wrong name
        same = (remembered.inputs, remembered.outputs) == (found.inputs, found.outputs)
        return remembered if same else None

    def record(self, step: Step, cwd: str, values: dict[str, Any]) -> None:
        """Remember a success and its outputs. Reads files: call it in a thread."""
        found = fingerprint(step, cwd)
        read = self._read.pop(step.id, found.inputs)
        content = msgspec.json.encode(Fingerprint(read, found.outputs, values))
        whole_file.replace(self._path(step), content)

    def _path(self, step: Step) -> Path:
        name = hashlib.sha256(f"{self._plan_id}\0{step.id}".encode()).hexdigest()
        return self._directory / f"{name}.json"


def fingerprint(step: Step, cwd: str) -> Fingerprint:
    """What the step reads and writes now."""
    definition = msgspec.json.encode(
        (step.command, step.args, step.run, step.shell, step.step_def, step.env, step.stdin),
        order="deterministic",
    )
    return Fingerprint(
        _digest(step.inputs_files, cwd, definition), _digest(step.outputs_files, cwd, b"")
    )


def _digest(patterns: Iterable[str], cwd: str, seed: bytes) -> str:
    digest = hashlib.sha256(seed)
    for pattern in patterns:
        digest.update(b"\0pattern\0" + pattern.encode())
        for path in _matches(pattern, cwd):
            digest.update(b"\0file\0" + os.fsencode(path))
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _matches(pattern: str, cwd: str) -> list[Path]:
    """Files a pattern names, sorted: a path, a glob, or a directory with all below it.
    Raises `ValueError`, `NotImplementedError` for what is no pattern."""
    path = Path(cwd, pattern)
    found = [path]
    if any(c in pattern for c in "*?[") and not path.exists():
        # Not from the root: the directory's own name may look like a pattern.
        root = Path(path.anchor if pattern.startswith("/") else cwd)
        found = list(root.glob(pattern.lstrip("/")))
    return sorted(file for match in found for file in _files(match))


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file())
    elif path.is_file():
        yield path
