"""Between database rows and the contract's types; the same for every database.

Column names are the field names of the types, so a SELECT is written from the type.
Reading raises `JournalError` where stored JSON is damaged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from stoker.journal.base import (
    AttemptRow,
    Circuit,
    Command,
    EngineIdentity,
    JournalError,
    NewRun,
    RunRow,
)
from stoker.journal.events import Event

Row = Sequence[Any]
T = TypeVar("T")

RUN_COLUMNS = RunRow.__struct_fields__
ATTEMPT_COLUMNS = AttemptRow.__struct_fields__
EVENT_COLUMNS = ("run_id", "sequence", "type", "time", "step_id", "attempt", "data")
COMMAND_COLUMNS = ("id", "run_id", "kind", "payload", "sender", "created_at")
CIRCUIT_COLUMNS = Circuit.__struct_fields__

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_names = msgspec.json.Decoder(list[str]).decode
_decode_engine = msgspec.json.Decoder(EngineIdentity).decode


def text(value: str) -> str:
    """`value` with lone surrogates, which no database's text can hold, as `\\udcff`."""
    return value.encode(errors="backslashreplace").decode()


def _json(value: Any) -> str:
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:
        return _encode(_as_text(msgspec.to_builtins(value))).decode()


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {_as_text(key): _as_text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(item) for item in value]
    return value


def encode(value: Any) -> str:
    """As JSON. Raises `JournalError` for what JSON cannot hold."""
    try:
        return _json(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise JournalError(f"cannot be kept as JSON: {error}") from error


def _decoded(decode: Callable[[str], T], text: str) -> T:
    try:
        return decode(text)
    except msgspec.DecodeError as error:
        raise JournalError(f"damaged JSON in the journal ({error}): {text[:80]!r}") from error


def decode_engine(text: str | None) -> EngineIdentity | None:
    return None if text is None else _decoded(_decode_engine, text)


def run_row(row: Row) -> RunRow:
    values = dict(zip(RUN_COLUMNS, row, strict=True))
    values["inputs"] = _decoded(_decode_object, values["inputs"])
    values["options"] = _decoded(_decode_object, values["options"])
    values["engine"] = decode_engine(values["engine"])
    return RunRow(**values)


def attempt_row(row: Row) -> AttemptRow:
    values = dict(zip(ATTEMPT_COLUMNS, row, strict=False))  # the tool is the journal's own
    values["provides"] = _decoded(_decode_names, values["provides"])
    values["consumes"] = _decoded(_decode_names, values["consumes"])
    return AttemptRow(**values)


def event_row(row: Row) -> Event:
    run_id, sequence, kind, moment, step, attempt, data = row
    return Event(run_id, sequence, kind, moment, step, attempt, _decoded(_decode_object, data))


def command_row(row: Row) -> Command:
    number, run_id, kind, payload, sender, created = row
    return Command(
        id=number,
        run_id=run_id,
        kind=kind,
        payload=_decoded(_decode_object, payload),
        by=sender,
        created_at=created,
    )


def circuit_row(row: Row) -> Circuit:
    return Circuit(**dict(zip(CIRCUIT_COLUMNS, row, strict=True)))


def plan_digest(run: NewRun) -> str:
    """Key of the plan: the same document under the same name is kept once."""
    parts = (run.plan_id, run.plan_version, run.plan_description)
    return hashlib.sha256(_encode(parts) + run.plan_json).hexdigest()


def event_tuples(run_id: str, events: Sequence[Event]) -> list[tuple[Any, ...]]:
    """Rows of `run_events` by `EVENT_COLUMNS`. Raises `JournalError` if the events are not
    all of `run_id` or their sequences have a gap."""
    rows = []
    expected = events[0].sequence
    for event in events:
        if event.run_id != run_id or event.sequence != expected:
            raise JournalError(
                f"event {event.run_id}/{event.sequence} where {run_id}/{expected} was expected"
            )
        expected += 1
        try:
            data = _json(event.data)
        except (TypeError, ValueError, OverflowError) as error:
            raise JournalError(
                f"event {run_id}/{event.sequence} ({event.type}) cannot be kept as JSON: {error}"
            ) from error
        rows.append(
            (run_id, event.sequence, event.type, event.time, event.step, event.attempt, data)
        )
    return rows
