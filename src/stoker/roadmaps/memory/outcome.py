"""One try at a task: what came of it, from git and the verification, and what its agent said."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from stoker.agents import stream
from stoker.agents.stream import AnyContent, Tokens
from stoker.engine.creation import nested_run_id
from stoker.engine.outputs import artefact
from stoker.journal.base import Journal
from stoker.journal.events import STEP_SETTLED, Event
from stoker.roadmaps.evidence import Evidence, Fault, Verdict

OUTPUT: Final = "outcome"
"""The output that holds an `Outcome`, of a step that verified a try or settled one."""
_SUMMARY: Final = 1200
_DECISION: Final = 300
_DECISIONS: Final = 8
_DECIDED: Final = re.compile(
    r"\b(decided|decision|chose|choosing|opted|instead of|rather than|trade-?off|convention"
    r"|because|so that|deliberately|on purpose|assum(?:e|ed|ing|ption))\b",
    re.IGNORECASE,
)
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*\"])|\n+")
_BULLET: Final = re.compile(r"^\s*(?:[-*+]|\d+[.)]|#+)\s+")


class Said(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent's stream tells of its work; words, not evidence."""

    summary: str = ""
    """Its last message, shortened."""
    decisions: tuple[str, ...] = ()
    """Sentences in which it gives a reason or a choice."""
    files: tuple[str, ...] = ()
    """That it says it edited."""
    commands: tuple[str, ...] = ()
    """That failed, and were not run again with success."""
    unfinished: tuple[str, ...] = ()
    """Of its own plan."""
    tokens: Tokens = Tokens()
    cost_usd: float | None = None


SILENT: Final = Said()


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try at a task, or at a group of them."""

    task: str
    """Id of the first of its tasks."""
    title: str
    attempt: int
    """From 1."""
    verdict: Verdict
    tasks: tuple[str, ...] = ()
    """All ids, if it was a group."""
    files: tuple[str, ...] = ()
    """That changed, as git says."""
    commit: str = ""
    summary: str = ""
    decisions: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    tokens: int = 0
    """Read and written by the models."""
    seconds: float = 0.0
    at: float = 0.0
    """When it ended; seconds since the Unix epoch."""


def said(entries: Iterable[AnyContent]) -> Said:
    """What an agent's stream tells; pure."""
    messages: list[str] = []
    last = ""
    files: dict[str, None] = {}
    failed: dict[str, None] = {}
    todos: tuple[stream.Todo, ...] = ()
    usage = stream.Usage()
    for content in entries:
        match content:
            case stream.AssistantMessage(text=text) if text.strip():
                messages.append(text)
            case stream.FileEdit(changes=changes, status="succeeded"):
                files.update(dict.fromkeys(change.path for change in changes))
            case stream.Command(command=command, status="succeeded", exit_code=None | 0):
                failed.pop(command, None)
            case stream.Command(command=command, status="succeeded" | "failed"):
                failed[command] = None
            case stream.Todos(items=items):
                todos = items
            case stream.Usage():
                usage = content
            case stream.TurnEnded(summary=text) if text.strip():
                last = text
    return Said(
        summary=shortened(last or (messages[-1] if messages else ""), _SUMMARY),
        decisions=_decisions(messages),
        files=tuple(files),
        commands=tuple(shortened(command, _DECISION) for command in failed),
        unfinished=tuple(
            shortened(todo.text, _DECISION) for todo in todos if todo.status != "completed"
        ),
        tokens=usage.tokens,
        cost_usd=usage.cost_usd,
    )


def outcome(
    *,
    task: str,
    title: str,
    attempt: int,
    evidence: Evidence,
    told: Said = SILENT,
    tasks: tuple[str, ...] = (),
    seconds: float = 0.0,
    at: float = 0.0,
) -> Outcome:
    """What a verified try comes to. Files and verdict are the evidence's, never the agent's."""
    return Outcome(
        task=task,
        title=title,
        attempt=attempt,
        verdict=evidence.verdict,
        tasks=tasks,
        files=evidence.files,
        commit=evidence.commit,
        summary=told.summary,
        decisions=told.decisions,
        faults=evidence.faults,
        tokens=told.tokens.input + told.tokens.output,
        seconds=seconds,
        at=at,
    )


def outcomes(events: Iterable[Event]) -> tuple[Outcome, ...]:
    """What each try came to, in the order of the journal. Raises `msgspec.MsgspecError` for a
    record that is none, `OSError` if one that was too large for the journal is gone."""
    found = []
    for event in events:
        record = (event.data.get("outputs") or {}).get(OUTPUT)
        if event.type == STEP_SETTLED and record is not None:
            if (path := artefact(record)) is not None:
                record = msgspec.json.decode(Path(path).read_bytes())
            found.append(msgspec.convert(record, Outcome))
    return tuple(found)


async def run_memory(journal: Journal, run_id: str) -> tuple[Outcome, ...]:
    """The memory of a run: its outcomes and those of the plans its attempts ran, in the order
    of their ends."""
    found = list(outcomes(await journal.events(run_id)))
    for row in await journal.attempts(run_id):
        nested = nested_run_id(run_id, row.step_id, row.attempt)
        found += outcomes(await journal.events(nested))
    known = {(one.task, one.attempt): one for one in found}
    return tuple(sorted(known.values(), key=lambda one: (one.at, one.task, one.attempt)))


def shortened(text: str, limit: int) -> str:
    """`text` without surrounding space; at most `limit` characters, cut in the middle of
    nothing smaller than a word if there is one."""
    text = text.strip()
    if len(text) <= limit:
        return text
    kept = text[: limit - 4]
    head, space, _ = kept.rpartition(" ")
    return f"{head if space and len(head) > limit // 2 else kept} ..."


def _decisions(messages: Iterable[str]) -> tuple[str, ...]:
    """The last ones count: what was chosen early is often given up."""
    found: dict[str, None] = {}
    for message in messages:
        fenced = False
        for sentence in _SENTENCE.split(message):
            if sentence.lstrip().startswith("```"):
                fenced = not fenced
            elif not fenced and _DECIDED.search(sentence):
                text = shortened(_BULLET.sub("", sentence), _DECISION)
                found.pop(text, None)
                found[text] = None
    return tuple(found)[-_DECISIONS:]
