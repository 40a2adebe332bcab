"""Where everything that happens goes through: kept first, then counted, then told."""

from __future__ import annotations

from collections.abc import Callable

from stoker.agents.builtin.entries import Entry
from stoker.agents.builtin.history import History
from stoker.agents.builtin.transcript import Line, Transcript

Tell = Callable[[Line, History], None]


class TranscriptFailed(Exception):
    """An entry could not be written; nothing may be done any more."""


class Ledger:
    """A transcript and what it amounts to. `tell` hears of each entry once it is there."""

    def __init__(self, transcript: Transcript, tell: Tell) -> None:
        self.history = History()
        self._transcript = transcript
        self._tell = tell
        for line in transcript.lines:
            self.history.apply(line)

    @property
    def last(self) -> Line | None:
        """What the transcript ended with when it was opened: whoever died may not have come
        to tell of it. Of all before it, it has been told."""
        return self._transcript.lines[-1] if self._transcript.lines else None

    def record(self, entry: Entry) -> None:
        """Raises `TranscriptFailed`."""
        try:
            line = self._transcript.append(entry)
        except OSError as error:
            raise TranscriptFailed(f"{self._transcript.path}: {error.strerror}") from error
        self.history.apply(line)
        self._tell(line, self.history)

    def close(self) -> None:
        """Close the transcript."""
        self._transcript.close()
