"""What is common to all ways of driving an agent.

An adapter is pure: it is given lines of the agent's stdout, messages of the inbox and the
clock, and gives records of the stream and bytes for the agent's stdin. All it knows is in
its state, which is plain data: the driver stores it with every step, so that another
engine goes on where a dead one was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from stoker.agents.inbox import Interrupt, Message, Reply, Say
from stoker.agents.profiles import Profile
from stoker.agents.stream import (
    Answer,
    AnyContent,
    Append,
    Approval,
    Command,
    Failure,
    FileEdit,
    Notice,
    Option,
    Put,
    Reason,
    Record,
    Session,
    Status,
    Tokens,
    ToolCall,
    ToolKind,
    TurnEnded,
    Usage,
    UserMessage,
    appended,
)

_SHOWN: Final = 2000
_TOOLS: Final = (ToolCall, Command, FileEdit)


class Assignment(Struct, frozen=True, kw_only=True):
    """What an agent is to do."""

    prompt: str
    cwd: str
    """The worktree, absolute."""
    profile: Profile
    images: tuple[str, ...] = ()
    """Paths, absolute."""
    session: str | None = None
    """Of the agent: the conversation to go on with."""
    transcript: str | None = None
    """What was said before, for a new session if none can be gone on with."""
    confined: bool = False
    """The agent runs in a sandbox of ours."""
    shown: str | None = None
    """The prompt as the stream may show it; None: as it is."""


class Files(Protocol):
    """Files of the worktree, for agents that have their client read and write them."""

    def read(self, path: str) -> str:
        """Raises `OSError`, `PermissionError` outside the worktree."""

    def write(self, path: str, text: str) -> None:
        """Raises `OSError`, `PermissionError` outside the worktree."""


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


class Adapter(ABC):
    """One way of driving an agent. After each call, take what is in `records` and
    `outgoing`."""

    state_type: type[State] = State
    idles: bool = True
    """After a turn it waits for the next, until its stdin ends."""

    def __init__(
        self, assignment: Assignment, *, state: State | None = None, files: Files | None = None
    ) -> None:
        self.assignment = assignment
        self.profile = assignment.profile
        self.state = state or self.state_type()
        self.files = files
        self.now = 0.0
        """Seconds since the Unix epoch; set before each call."""
        self.records: list[Record] = []
        self.outgoing = bytearray()

    @classmethod
    def argv(cls, assignment: Assignment) -> list[str]:
        """The agent's command line."""
        return cls.words(assignment)

    @classmethod
    def words(cls, assignment: Assignment, *more: str) -> list[str]:
        """The command of its profile with arguments and model, then `more`, then what else the
        profile has."""
        settings = assignment.profile.settings
        model = (settings.model_option, settings.model)
        return [
            *assignment.profile.command,
            *(settings.args or ()),
            *(settings.asking or () if assignment.profile.policy.pause is not None else ()),
            *(word for word in model if word and all(model)),
            *more,
            *(settings.additional_params or ()),
        ]

    @abstractmethod
    def begin(self) -> None:
        """The first words to the agent."""

    @abstractmethod
    def line(self, line: bytes) -> None:
        """A line of its stdout, without its end."""

    @abstractmethod
    def prompt(self, say: Say) -> None:
        """Have a turn begin."""

    @abstractmethod
    def stop_turn(self) -> None:
        """Ask the agent to end the turn."""

    def reply(self, pending: Any, option: Option, answer: Answer) -> None:
        """Answer a request for approval. `pending` is what `ask` was given for it."""
        raise NotImplementedError

    @property
    def done(self) -> bool:
        """No turn is under way, and none will be unless somebody says something."""
        return self.state.ended is not None and not self.state.working

    # From the driver.

    def tell(self, message: Message) -> None:
        """A message of the inbox."""
        if isinstance(message, Reply):
            self._answer(message)
        elif isinstance(message, Interrupt):
            self.interrupt()
        elif self.state.working or not self.state.begun:
            self.state.queue.append(message)
        else:
            self._take(message)

    def interrupt(self) -> None:
        """End the turn, if one is under way."""
        if self.state.working and not self.state.interrupting:
            self.state.interrupting = True
            self.state.queue.clear()
            self.stop_turn()

    def over(self, error: str, *, stopped: bool = False) -> None:
        """The agent's process is over; `error` says how, empty for exit code 0. `stopped`: by
        us, and no other is to follow it."""
        state = self.state
        if not stopped:
            if state.warm:
                self.restart()
            elif self.assignment.session and not (
                state.session or state.lost or state.interrupting
            ):
                self.restart(error or "the agent ended")
            if self.state.restarting:
                return
        state.restarting = False
        if state.working or state.ended is None:
            if state.interrupting:
                self.finish("interrupted")
            else:
                self.finish("exited", error or "the agent ended before its turn did")

    # Entries.

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
            self.put(Notice(text=text[:_SHOWN]))

    def fail(self, message: str, details: str = "") -> None:
        """An entry for an error."""
        self.put(Failure(message=message, details=details[:_SHOWN]))

    def begin_session(self, session: str, *, model: str = "", agent: str = "") -> None:
        """The agent has told its session's id."""
        if session != self.state.session:
            self.state.session = session
            resumed = session == self.assignment.session and not self.state.lost
            self.state.opened = Session(id=session, model=model, agent=agent, resumed=resumed)
            self.put(self.state.opened)

    def lose_session(self, error: str) -> None:
        """The session cannot be gone on with; a new one is to begin."""
        self.state.lost = True
        self.notice(f"session {self.assignment.session} cannot be resumed ({error}); a new one")

    def restart(self, error: str | None = None) -> None:
        """The driver is to start another process, and to begin with it anew. `error`: because
        the agent, started to go on with a session, does not find it."""
        if error is not None:
            self.lose_session(error)
        self.state = self.state_type(
            count=self.state.count,
            queue=self.state.queue,
            shown=self.state.shown,
            lost=self.state.lost,
            restarting=True,
        )

    def take_over(self, state: State) -> None:
        """Go on where an earlier step has left the process, in the same session."""
        self.state = self.state_type(
            requests=state.requests,
            next_id=state.next_id,
            session=state.session,
            opened=state.opened,
            warm=True,
        )

    def go_on(self) -> None:
        """Have the assignment's turn begin in a process that was taken over."""
        if self.state.opened is not None:
            self.put(replace(self.state.opened, resumed=True))
        self.first_prompt()

    def use(self, tokens: Tokens | None = None, **changes: Any) -> None:
        """What was used so far."""
        if tokens is not None:
            changes["tokens"] = tokens
        self.state.usage = replace(self.state.usage, **changes)
        self.put(self.state.usage, "usage")

    def relative(self, path: str) -> str:
        """A path as entries show it."""
        root = self.assignment.cwd.rstrip("/") + "/"
        return path.removeprefix(root)

    # Turns.

    def _take(self, say: Say) -> None:
        shown, first = say.text, not self.state.begun
        if first and self.assignment.shown is not None:
            shown = self.assignment.shown
        if not (first and self.state.shown):
            self.put(UserMessage(text=shown, images=say.images))
        self.state.begun = self.state.shown = self.state.working = True
        self.state.interrupting = False
        self.state.said = ""
        self.state.ended = None
        if more := self.profile.settings.append_prompt:
            say = replace(say, text=f"{say.text}\n{more}")
        fresh = first and (self.state.lost or not self.assignment.session)
        if fresh and self.assignment.transcript:
            say = replace(say, text=f"{self.assignment.transcript}\n\n{say.text}")
        self.prompt(say)

    def first_prompt(self) -> None:
        """Have the assignment's turn begin."""
        self._take(Say(text=self.assignment.prompt, images=self.assignment.images))

    def finish(self, reason: Reason, error: str = "") -> None:
        """The turn has ended; the next begins, if somebody has said something."""
        state = self.state
        if not state.working and state.ended is not None:
            return  # told before
        for key in list(state.pending):
            self.withdraw(key)
        for key, entry in list(state.open.items()):
            if isinstance(entry.content, _TOOLS):
                self.settle_tool(key, "canceled")
            elif not isinstance(entry.content, Usage) and key != "todos":
                self.close(key)
        state.ended = TurnEnded(reason=reason, error=error, summary=state.said)
        state.working = state.interrupting = False
        state.denied.clear()
        self.put(state.ended)
        if state.queue and reason != "exited":
            self._take(state.queue.pop(0))

    # Approvals.

    def ask(
        self,
        approval: str,
        pending: Any,
        *,
        kind: ToolKind,
        title: str,
        options: tuple[Option, ...],
        command: str | None = None,
        paths: tuple[str, ...] = (),
        **more: Any,
    ) -> None:
        """The agent asks whether it may; the policy answers, or a person will."""
        if approval in self.state.pending:
            return
        request = Approval(
            id=approval,
            kind=kind,
            title=title,
            options=options,
            command=command,
            paths=paths,
            **more,
        )
        self.put(request, f"approval:{approval}")
        self.state.pending[approval] = pending
        allowed = self.profile.policy.decide(kind, command, paths)
        if allowed is not None:
            reason = "" if allowed else "the profile's policy denies it"
            self._answer(Reply(approval=approval, allowed=allowed, by="policy", reason=reason))

    @property
    def asking(self) -> tuple[int, Approval] | None:
        """The request that has waited for a person the longest, and its entry."""
        for key in self.state.pending:
            found = self.state.open.get(f"approval:{key}")
            if found is not None and isinstance(found.content, Approval):
                return found.index, found.content
        return None

    def question(self, request: Approval) -> str:
        """A request, as a person is asked."""
        why = self.profile.policy.why(request.kind, request.command)
        destroys = f" (it may destroy something: {why})" if why else ""
        return f"{self.profile.executor} asks{destroys}: {request.command or request.title}"

    def _answer(self, reply: Reply) -> None:
        entry = self.state.open.get(f"approval:{reply.approval}")
        if reply.approval not in self.state.pending or entry is None:
            return
        request = entry.content
        assert isinstance(request, Approval)  # noqa: S101 - its key says so
        option = _chosen(request.options, reply)
        if option is None:
            self.fail(f"approval {reply.approval} has no option {reply.option!r}")
            return
        answer = Answer(
            option=option.id,
            allowed=option.kind.startswith("allow"),
            by=reply.by,
            reason=reply.reason,
            time=self.now,
        )
        pending = self.state.pending.pop(reply.approval)
        if not answer.allowed and request.tool_call is not None:
            self.state.denied.add(request.tool_call)
        self._settle_approval(reply.approval, answer)
        self.reply(pending, option, answer)

    def withdraw(self, approval: str) -> None:
        """The agent does not want to know any more."""
        if self.state.pending.pop(approval, None) is not None:
            reason = "the agent took its request back"
            self._settle_approval(
                approval, Answer(option="", allowed=False, reason=reason, time=self.now)
            )

    def _settle_approval(self, approval: str, answer: Answer) -> None:
        key = f"approval:{approval}"
        self.change(key, answer=answer)
        self.close(key)

    # Protocols of JSON lines.

    def send(self, message: Any) -> None:
        """One line of JSON to the agent."""
        self.outgoing += msgspec.json.encode(message) + b"\n"

    def number(self) -> int:
        """An id for a request of ours."""
        self.state.next_id += 1
        return self.state.next_id - 1


class JsonAdapter(Adapter):
    """For agents that write a JSON object a line. What is not one is shown as a notice; one
    that is not as expected is shown as an error, and the agent goes on."""

    @abstractmethod
    def message(self, message: dict[str, Any]) -> None:
        """One message. May raise `KeyError`, `TypeError`, `ValueError`, `AttributeError` for
        one that is not as it should be."""

    def line(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            message = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self.notice(line[: 4 * _SHOWN].decode(errors="replace"))
            return
        try:
            self.message(message)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            shown = line[:_SHOWN].decode(errors="replace")
            self.fail(f"message not understood: {type(error).__name__}: {error}", shown)


def _chosen(options: tuple[Option, ...], reply: Reply) -> Option | None:
    if reply.option is not None:
        return next((option for option in options if option.id == reply.option), None)
    word = "allow" if reply.allowed else "reject"
    fitting = [option for option in options if option.kind.startswith(word)]
    ending = "always" if reply.always else "once"
    return next(
        (option for option in fitting if option.kind.endswith(ending)),
        fitting[0] if fitting else None,
    )
