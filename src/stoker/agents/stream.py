"""What an agent says and does, in one form, whichever way the agent is driven.

The stream of one attempt is a list of *entries*. It is kept as a file of *records*, one
JSON object a line, appended to and never rewritten: `put` gives the entry at an index, new
or anew, `append` adds text to the end of an entry's text. The entries are the fold of the
records (`Entries`); a reader that has seen the first n records is told the rest, and every
reader sees the same. `schema()` is the same in JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

ToolKind = Literal[
    "read", "edit", "delete", "move", "search", "execute", "think", "fetch", "task", "other"
]
Status = Literal["pending", "running", "succeeded", "failed", "denied", "canceled"]
"""Of a tool call. `denied`: a person or a policy said no."""
Reason = Literal["completed", "interrupted", "failed", "refused", "limit", "exited"]
"""Why a turn ended. `refused`: by the model; `limit`: of turns, tokens or money; `exited`: the
agent's process ended before its turn did."""


class Content(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of what an entry may hold."""


class UserMessage(Content, frozen=True, tag="user_message"):
    """What the agent was told."""

    text: str
    images: tuple[str, ...] = ()
    """Paths."""


class AssistantMessage(Content, frozen=True, tag="assistant_message"):
    """What the agent says; Markdown."""

    text: str


class Thinking(Content, frozen=True, tag="thinking"):
    """What the agent shows of its reasoning."""

    text: str


class Notice(Content, frozen=True, tag="notice"):
    """What is worth knowing and is none of the others, from the agent or from Stoker."""

    text: str


class ToolCall(Content, frozen=True, tag="tool_call"):
    """A tool in use that is neither a command nor an edit of a file."""

    id: str
    """The agent's own; unique within the session."""
    name: str
    """The tool's, as the agent calls it."""
    kind: ToolKind = "other"
    title: str = ""
    """For people: what it is about."""
    status: Status = "running"
    input: Any = None
    """As the agent's model gave it."""
    result: str = ""


class Command(Content, frozen=True, tag="command"):
    """A command the agent runs."""

    id: str
    command: str
    cwd: str | None = None
    status: Status = "running"
    output: str = ""
    """stdout and stderr as the agent saw them."""
    exit_code: int | None = None
    """None: it runs, or the agent does not tell."""


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of an edit."""

    path: str
    """Relative to the worktree if it is in it."""
    change: Literal["added", "modified", "deleted", "renamed"] = "modified"
    diff: str = ""
    """Unified, from the first `@@`; the whole content for one that is added and no `@@`."""
    old_path: str | None = None


class FileEdit(Content, frozen=True, tag="file_edit"):
    """Files the agent edits, in one go."""

    id: str
    changes: tuple[Change, ...]
    status: Status = "running"
    error: str = ""


class Todo(Struct, frozen=True, kw_only=True):
    """An item of an agent's plan."""

    text: str
    status: Literal["pending", "in_progress", "completed"] = "pending"


class Todos(Content, frozen=True, tag="todos"):
    """The agent's plan as it stands now; there is one entry for it, which is updated."""

    items: tuple[Todo, ...]


class Tokens(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens used by the attempt so far."""

    input: int = 0
    """All that the model read, also what a cache held."""
    cached: int = 0
    """Of `input`: read from a cache."""
    output: int = 0
    """All that the model wrote, also its reasoning."""
    reasoning: int = 0
    """Of `output`."""


class Usage(Content, frozen=True, tag="usage"):
    """Tokens and money used so far; there is one entry for it, which is updated."""

    tokens: Tokens = Tokens()
    cost_usd: float | None = None
    """As the agent tells it; None: it does not."""
    context: int | None = None
    """Tokens in the model's context now."""
    context_limit: int | None = None


class Failure(Content, frozen=True, tag="error"):
    """Something went wrong; the turn may go on all the same."""

    message: str
    details: str = ""


class Option(Struct, frozen=True, kw_only=True):
    """A possible answer to a request for approval."""

    id: str
    name: str
    kind: Literal["allow_once", "allow_always", "reject_once", "reject_always"]


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a request for approval was answered."""

    option: str
    """Id of the option; empty: the agent took its request back."""
    allowed: bool
    by: str = ""
    """Who: `policy`, or what the client that answered called itself."""
    reason: str = ""
    time: float = 0.0
    """Seconds since the Unix epoch."""


class Approval(Content, frozen=True, tag="approval"):
    """The agent asks whether it may; pending while there is no answer."""

    id: str
    """To answer with; unique within the attempt."""
    kind: ToolKind
    title: str
    options: tuple[Option, ...]
    tool_call: str | None = None
    """Id of the tool call, command or edit it is about."""
    command: str | None = None
    paths: tuple[str, ...] = ()
    input: Any = None
    answer: Answer | None = None


class Session(Content, frozen=True, tag="session"):
    """The conversation as the agent itself keeps it; with `id` it may be resumed."""

    id: str
    model: str = ""
    agent: str = ""
    """Name and version, if it tells them."""
    resumed: bool = False


class TurnEnded(Content, frozen=True, tag="turn_ended"):
    """The agent has done what the last message asked, or has stopped."""

    reason: Reason
    error: str = ""
    summary: str = ""
    """Its last message."""


AnyContent = (
    UserMessage
    | AssistantMessage
    | Thinking
    | Notice
    | ToolCall
    | Command
    | FileEdit
    | Todos
    | Usage
    | Failure
    | Approval
    | Session
    | TurnEnded
)
"""Whatever an entry may hold."""

TEXT: Final[dict[type[Content], str]] = {
    UserMessage: "text",
    AssistantMessage: "text",
    Thinking: "text",
    Notice: "text",
    ToolCall: "result",
    Command: "output",
}
"""The field that `append` adds to."""


class Put(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", tag="put"):
    """The entry at `index` is this, from now on."""

    index: int
    """From 0, without gaps."""
    time: float
    """When the entry began; seconds since the Unix epoch."""
    content: AnyContent
    changed: float | None = None
    """When it became this, if that was later."""


class Append(Struct, frozen=True, kw_only=True, tag_field="record", tag="append"):
    """The text of the entry at `index` goes on."""

    index: int
    text: str


Record = Put | Append

_DECODER: Final[msgspec.json.Decoder[Record]] = msgspec.json.Decoder(Record)
_ENCODER: Final = msgspec.json.Encoder()


def decode(line: bytes | str) -> Record:
    """One line of a stream. Raises `msgspec.DecodeError`."""
    return _DECODER.decode(line)


def encode(records: Iterable[Record]) -> bytes:
    """Lines of a stream."""
    return b"".join(_ENCODER.encode(record) + b"\n" for record in records)


def appended(content: AnyContent, text: str) -> AnyContent:
    """The content with more text at its end."""
    field = TEXT[type(content)]
    return replace(content, **{field: getattr(content, field) + text})


class Entries:
    """The entries of a stream: the fold of its records."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.entries: list[Put] = []
        for record in records:
            self.add(record)

    def add(self, record: Record) -> Put:
        """Take a record in; returns the entry it makes or changes. Raises `ValueError` for one
        that does not follow."""
        count = len(self.entries)
        if not 0 <= record.index <= count - isinstance(record, Append):
            raise ValueError(f"record of entry {record.index}, but there are {count}")
        if isinstance(record, Append):
            entry = self.entries[record.index]
            record = replace(entry, content=appended(entry.content, record.text))
        if record.index == count:
            self.entries.append(record)
        else:
            self.entries[record.index] = record
        return record

    def __iter__(self) -> Iterator[AnyContent]:
        return (entry.content for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def load(file: Path) -> Entries:
    """The entries of the stream in a file, but for what is just being written; none if it is not
    there."""
    try:
        lines = file.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        lines = []
    return Entries(map(decode, lines))


def schema() -> dict[str, Any]:
    """JSON Schema of a record."""
    document = msgspec.json.schema(Record)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A record of an agent's stream",
        **document,
    }
