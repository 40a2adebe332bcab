"""`python agent_crash_at.py N before|after ...`: the built-in agent, which dies by SIGKILL just
before or after its N-th entry is on the disk, or half way through writing it (`torn`)."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from stoker.agents.builtin import __main__ as agent
from stoker.agents.builtin.transcript import Transcript


def arm(number: int, when: str) -> None:
    append = Transcript.append
    left = number

    def appending(self: Transcript, entry: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if left == 0 and when == "torn":
            os.write(self._fd, b'{"seq":1,"at":1.0,"entry":{"type":"ans')
            os.kill(os.getpid(), signal.SIGKILL)
        line = append(self, entry)
        if left == 0 and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return line

    Transcript.append = appending  # type: ignore[method-assign]


if __name__ == "__main__":
    arm(int(sys.argv.pop(1)), sys.argv.pop(1))
    status = agent.main()
    sys.stderr.flush()
    os._exit(status)
