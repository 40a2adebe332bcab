"""Any command: its stdout is what it says, its end is the end of its one turn."""

from __future__ import annotations

from stoker.agents.adapter import Adapter, Assignment
from stoker.agents.bounds import LIMIT
from stoker.agents.inbox import Say
from stoker.agents.stream import AssistantMessage

PROMPT = "{prompt}"
"""In an argument: the prompt takes its place. Without one, the prompt is stdin."""


class PlainAdapter(Adapter):
    """Drives a command that knows nothing of Stoker."""

    idles = False

    @classmethod
    def argv(cls, assignment: Assignment) -> list[str]:
        more = assignment.profile.settings.append_prompt
        prompt = "\n".join(filter(None, (assignment.prompt, more)))
        prompt = "\n\n".join(filter(None, (assignment.transcript, prompt)))
        return [word.replace(PROMPT, prompt) for word in cls.words(assignment)]

    def begin(self) -> None:
        self.first_prompt()

    def prompt(self, say: Say) -> None:
        words = (*self.profile.command, *(self.profile.settings.args or ()))
        if not any(PROMPT in word for word in words):
            self.outgoing += say.text.encode() + b"\n"

    def line(self, line: bytes) -> None:
        text = line.decode(errors="replace") + "\n"
        if "said" not in self.state.open:
            self.put(AssistantMessage(text=""), "said")
        self.extend("said", text)
        self.state.said = (self.state.said + text)[-LIMIT:]

    def stop_turn(self) -> None:
        """It knows no way but signals."""

    @property
    def done(self) -> bool:
        """Nothing more is said to it after the prompt; its turn ends with the process."""
        return self.state.begun

    def over(self, error: str, *, stopped: bool = False) -> None:
        if self.state.interrupting:
            self.finish("interrupted")
        elif error:
            self.finish("failed", error)
        else:
            self.finish("completed")
