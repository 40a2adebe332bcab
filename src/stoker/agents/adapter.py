"""What is common to all ways of driving an agent.

An adapter is pure: it is given lines of the agent's stdout, messages of the inbox and the
clock, and gives records of the stream and bytes for the agent's stdin. All it knows is in
its state, which is plain data: the driver stores it with every step, so that another
engine goes on where a dead one was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from stoker.agents.approvals import Approvals
from stoker.agents.inbox import Interrupt, Message, Reply, Say
from stoker.agents.profiles import Profile
from stoker.agents.scribe import State
from stoker.agents.stream import (
    Approval,
    Command,
    FileEdit,
    Reason,
    Session,
    ToolCall,
    TurnEnded,
    Usage,
    UserMessage,
)

if TYPE_CHECKING:
    from stoker.agents.worktree import Worktree

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


class Adapter(Approvals, ABC):
    """One way of driving an agent. After each call, take what is in `records` and
    `outgoing`."""

    state_type: type[State] = State
    idles: bool = True
    """After a turn it waits for the next, until its stdin ends."""

    def __init__(
        self, assignment: Assignment, *, state: State | None = None, files: Worktree | None = None
    ) -> None:
        super().__init__(state or self.state_type(), assignment.profile.policy)
        self.assignment = assignment
        self.profile = assignment.profile
        self.files = files
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

    @property
    def done(self) -> bool:
        """No turn is under way, and none will be unless somebody says something."""
        return self.state.ended is not None and not self.state.working

    # From the driver.

    def tell(self, message: Message) -> None:
        """A message of the inbox."""
        if isinstance(message, Reply):
            self.answer(message)
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

    def relative(self, path: str) -> str:
        """A path as entries show it."""
        root = self.assignment.cwd.rstrip("/") + "/"
        return path.removeprefix(root)

    def question(self, request: Approval) -> str:
        """A request, as a person is asked."""
        why = self.profile.policy.why(request.kind, request.command)
        destroys = f" (it may destroy something: {why})" if why else ""
        return f"{self.profile.executor} asks{destroys}: {request.command or request.title}"

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
