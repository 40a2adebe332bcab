"""What the entries of a transcript amount to: a fold, the same for old entries and new."""

from __future__ import annotations

from collections import deque

from msgspec.structs import replace

from stoker.agents.builtin.entries import (
    Acting,
    Answer,
    Asked,
    Began,
    Call,
    Compacted,
    Decided,
    Dropped,
    Ended,
    Message,
    Noted,
    Result,
    Turn,
    Usage,
)
from stoker.agents.builtin.transcript import Line

DROPPED = "[This output was dropped to save context. Run the tool again if you need it.]"


class Totals:
    """What was used."""

    def __init__(self) -> None:
        self.usage = Usage()
        self.cost = 0.0
        self.turns = 0
        """Answers of the model."""

    def add(self, usage: Usage, cost: float) -> None:
        """Count what was used once more."""
        self.usage += usage
        self.cost += cost


class History:
    """The state of a session. Changed by `apply` alone."""

    def __init__(self) -> None:
        self.session: Began | None = None
        self.messages: list[Message] = []
        """What the model is sent."""
        self.queue: deque[Asked] = deque()
        """What was asked and has not begun."""
        self.turn: str | None = None
        """The turn in course."""
        self.turn_id: str | None = None
        """The turn in course or the last one."""
        self.ended: Ended | None = None
        """How the last turn ended, unless one is in course."""
        self.began_at = 0.0
        self.last_at = 0.0
        """Seconds since the Unix epoch: of the turn, of the last entry."""
        self.pending: dict[str, Call] = {}
        """Calls of the last answer that have no result, in their order."""
        self.acting: set[str] = set()
        self.decided: dict[str, Decided] = {}
        self.granted: set[tuple[str, str]] = set()
        """See `Decided.always`."""
        self.total = Totals()
        self.spent = Totals()
        """In this turn."""
        self.steps: list[tuple[tuple[str, str, str], ...]] = []
        """Of this turn: calls and results of each answer, as (name, arguments, text)."""
        self.context = 0
        """Tokens of the conversation when the model last answered, as it counted them."""
        self.context_messages = 0
        """How many messages that were."""
        self.seen: set[str] = set()
        """Ids of all that was asked and called."""
        self.todos: str | None = None
        """Arguments of the last `write_todos`."""
        self._calls: dict[str, Call] = {}

    def apply(self, line: Line) -> None:
        """Take one more entry into account."""
        self.last_at = line.at
        match line.entry:
            case Began():
                self.session = line.entry
            case Asked(id):
                self.queue.append(line.entry)
                self.seen.add(id)
            case Turn(id):
                asked = next(one for one in self.queue if one.id == id)
                self.queue.remove(asked)
                self.messages.append(asked)
                self.turn = self.turn_id = id
                self.ended, self.began_at = None, line.at
                self.spent, self.steps = Totals(), []
            case Answer():
                self._answer(line.entry)
            case Decided(call):
                self.decided[call] = line.entry
                if line.entry.always is not None:
                    self.granted.add(line.entry.always)
            case Acting(call):
                self.acting.add(call)
            case Result():
                self._result(line.entry)
            case Noted():
                self.messages.append(line.entry)
            case Dropped(count):
                self.messages[:count] = [_without_output(one) for one in self.messages[:count]]
                self._recount()
            case Compacted():
                self.messages[: line.entry.messages] = [Noted(line.entry.summary)]
                self._spend(line.entry.usage, line.entry.cost)
                self._recount()
            case Ended():
                self.turn, self.ended = None, line.entry

    def _answer(self, answer: Answer) -> None:
        self.messages.append(answer)
        self._spend(answer.usage, answer.cost)
        self.total.turns += 1
        self.spent.turns += 1
        self.context, self.context_messages = answer.usage.total, len(self.messages)
        self.pending = {call.id: call for call in answer.calls}
        self.seen.update(self.pending)
        self._calls = dict(self.pending)
        self.acting.clear()
        self.decided.clear()
        self.steps.append(())

    def _result(self, result: Result) -> None:
        self.messages.append(result)
        self.pending.pop(result.call, None)
        self._spend(result.usage, result.cost)
        call = self._calls[result.call]
        if call.name == "write_todos" and not result.is_error:
            self.todos = call.arguments
        self.steps[-1] = (*self.steps[-1], (call.name, call.arguments, result.text))

    def _spend(self, usage: Usage, cost: float) -> None:
        self.total.add(usage, cost)
        self.spent.add(usage, cost)

    def _recount(self) -> None:
        """What the model counted is no longer what it would be sent."""
        self.context = self.context_messages = 0


def _without_output(message: Message) -> Message:
    if isinstance(message, Result) and len(message.text) > len(DROPPED):
        return replace(message, text=DROPPED)
    return message
