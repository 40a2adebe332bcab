"""Where forge keeps its artefacts: `broadcast/<script>/<chain>/[dry-run/]run-latest.json`, and of
several chains `broadcast/multi/[dry-run/]<script>-latest/run.json`; each also under its time."""

from __future__ import annotations

from collections.abc import Sequence as Several
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from stoker import whole_file
from stoker.chains.broadcast.artefact import MultiChain, Request, Sequence
from stoker.chains.broadcast.sending import Mined
from stoker.chains.errors import ChainError

FOLDER: Final = "broadcast"


def write(root: Path, script: str, sequences: Several[Sequence], *, dry_run: bool) -> Path:
    """`script`: its file's name, `Name.s.sol`. Returns the file of this time; the latest is the
    same until there is another. Each is written whole or not at all."""
    if len(sequences) == 1:
        (only,) = sequences
        return _both(
            only, _folder(root, script, only.chain, dry_run) / f"run-{only.timestamp}.json"
        )
    whole = MultiChain(
        deployments=tuple(sequences), timestamp=max(one.timestamp for one in sequences)
    )
    return _both(whole, _multi(root, script, str(whole.timestamp), dry_run))


def read(
    root: Path, script: str, chain_id: int | None = None, *, dry_run: bool
) -> tuple[Sequence, ...]:
    """The latest: of one chain, or of several that were written together. Raises `ChainError`."""
    try:
        if chain_id is not None:
            path = _folder(root, script, chain_id, dry_run) / "run-latest.json"
            return (msgspec.json.decode(path.read_bytes(), type=Sequence),)
        path = _multi(root, script, "latest", dry_run)
        return msgspec.json.decode(path.read_bytes(), type=MultiChain).deployments
    except OSError as error:
        raise ChainError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ChainError(f"{path} is no artefact as Foundry writes it: {error}") from error


def note(path: Path, request: Request, mined: Mined) -> None:
    """That a transaction is in a block, in the file of a time, and in the latest if that is it."""
    content = path.read_bytes()
    if path.name == "run.json":
        whole = msgspec.json.decode(content, type=MultiChain)
        told = tuple(_noted(one, request, mined) for one in whole.deployments)
        _both(replace(whole, deployments=told), path, again=True)
    else:
        only = msgspec.json.decode(content, type=Sequence)
        _both(_noted(only, request, mined), path, again=True)


def _noted(sequence: Sequence, request: Request, mined: Mined) -> Sequence:
    transactions = tuple(
        replace(one, hash=mined.hash) if one.transaction == request else one
        for one in sequence.transactions
    )
    if transactions == sequence.transactions:
        return sequence
    return replace(
        sequence, transactions=transactions, receipts=(*sequence.receipts, mined.receipt)
    )


def _folder(root: Path, script: str, chain_id: int, dry_run: bool) -> Path:
    folder = root / FOLDER / script / str(chain_id)
    return folder / "dry-run" if dry_run else folder


def _multi(root: Path, script: str, when: str, dry_run: bool) -> Path:
    folder = root / FOLDER / "multi"
    return (folder / "dry-run" if dry_run else folder) / f"{script}-{when}" / "run.json"


def _both(what: Sequence | MultiChain, path: Path, *, again: bool = False) -> Path:
    """`again`: the latest may meanwhile be of another time, and is left alone then."""
    text = msgspec.json.format(msgspec.json.encode(what), indent=2)
    whole_file.replace(path, text, mode=None)
    if path.name == "run.json":
        script = path.parent.name.removesuffix(f"-{what.timestamp}")
        latest = path.parents[1] / f"{script}-latest" / path.name
    else:
        latest = path.with_name("run-latest.json")
    if not again or _timestamp(latest) == what.timestamp:
        whole_file.replace(latest, text, mode=None)
    return path


def _timestamp(path: Path) -> int | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Dated).timestamp
    except (OSError, ValueError):
        return None


class _Dated(msgspec.Struct):
    timestamp: int
