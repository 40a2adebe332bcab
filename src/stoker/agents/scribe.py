"""What an adapter writes: entries of the stream, new, anew and growing."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from stoker.agents.inbox import Say
from stoker.agents.stream import (
    AnyContent,
    Append,
    Failure,
    Notice,
    Put,
    Record,
    Session,
    Status,
    Tokens,
    TurnEnded,
    Usage,
    appended,
)

SHOWN: Final = 2000
"""Characters of what was not understood."""


class Open(Struct, kw_only=True):
    """An entry that may still change."""

    index: int
    time: float
    content: AnyContent


class State(Struct, kw_only=True):
    """All an adapter knows; each adds what its protocol needs."""

    count: int = 0
    """Entries so far."""
    open: dict[str, Open] = field(default_factory=dict)
    pending: dict[str, Any] = field(default_factory=dict)
    """Approvals without an answer: by id, what the protocol needs to answer."""
    denied: set[str] = field(default_factory=set)
    """Tool calls that were not allowed."""
    requests: dict[str, str] = field(default_factory=dict)
    """Our requests without a response: id -> method."""
    next_id: int = 1
    queue: list[Say] = field(default_factory=list)
    """Said during a turn."""
    begun: bool = False
    """The prompt has been sent."""
    shown: bool = False
    """And is in the stream."""
    working: bool = False
    """A turn is under way."""
    interrupting: bool = False
    session: str = ""
    opened: Session | None = None
    """What the stream tells of it."""
    warm: bool = False
    """Its process has waited for this and said nothing since: it may be over."""
    lost: bool = False
    """The session that was to be gone on with is not to be had."""
    restarting: bool = False
    """Another process is to be started, without a session."""
    said: str = ""
    """Its last message."""
    usage: Usage = Usage()
    ended: TurnEnded | None = None
    """The last turn's end."""


class Scribe:
    """Writes `records`, and keeps in `state` what may still change."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.now = 0.0
        """Seconds since the Unix epoch; set before each call."""
        self.records: list[Record] = []

    def put(self, content: AnyContent, key: str | None = None) -> None:
        """A new entry; with a `key` it can be changed until `close`. If there is one open
        with that key, it is that one anew."""
        state = self.state
        found = state.open.get(key) if key is not None else None
        if found is not None:
            if found.content == content:
                return
            found.content = content
            changed = Put(index=found.index, time=found.time, content=content, changed=self.now)
            self._record(changed)
            return
        self._record(Put(index=state.count, time=self.now, content=content))
        if key is not None:
            state.open[key] = Open(index=state.count, time=self.now, content=content)
        state.count += 1

    def extend(self, key: str, text: str) -> None:
        """More text for an open entry."""
        found = self.state.open.get(key)
        if found is None or not text:
            return
        found.content = appended(found.content, text)
        last = self.records[-1] if self.records else None
        if isinstance(last, Append) and last.index == found.index:
            self.records[-1] = Append(index=last.index, text=last.text + text)
        else:
            self.records.append(Append(index=found.index, text=text))

    def change(self, key: str, **changes: Any) -> None:
        """Other values for fields of an open entry; nothing if it is not open."""
        if (found := self.state.open.get(key)) is not None:
            self.put(replace(found.content, **changes), key)

    def close(self, key: str) -> None:
        """The entry will not change any more."""
        self.state.open.pop(key, None)

    def _record(self, record: Put) -> None:
        last = self.records[-1] if self.records else None
        if isinstance(last, Put) and last.index == record.index:
            self.records[-1] = record
        else:
            self.records.append(record)

    def settle_tool(self, key: str, status: Status, **changes: Any) -> None:
        """A tool call has come to its end."""
        if status == "failed" and key in self.state.denied:
            status = "denied"
        self.change(key, status=status, **changes)
        self.close(key)

    def notice(self, text: str) -> None:
        """An entry for what is not part of the protocol."""
        if text.strip():
            self.put(Notice(text=text[:SHOWN]))

    def fail(self, message: str, details: str = "") -> None:
        """An entry for an error."""
        self.put(Failure(message=message, details=details[:SHOWN]))

    def use(self, tokens: Tokens | None = None, **changes: Any) -> None:
        """What was used so far."""
        if tokens is not None:
            changes["tokens"] = tokens
        self.state.usage = replace(self.state.usage, **changes)
        self.put(self.state.usage, "usage")
