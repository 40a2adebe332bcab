"""What the process's exit status says."""

from __future__ import annotations

from typing import Final

SUCCEEDED: Final = 0
FAILED: Final = 1
"""The run failed."""
BAD_INPUT: Final = 2
"""Nothing was done: wrong arguments, an invalid plan, an unknown run, a broken journal."""
WAITING: Final = 3
"""The run is quarantined, or waits for a person with nothing else to do."""
CANCELED: Final = 130
"""Canceled, also by Ctrl-C."""
CLOSED_PIPE: Final = 141
"""Whoever read the output is gone."""
SUSPENDED: Final = 143
"""Ended by SIGTERM in good order; `stoker resume` goes on."""

BY_STATUS: Final = {
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "canceled": CANCELED,
    "quarantined": WAITING,
    "waiting": WAITING,
    "suspended": SUSPENDED,
}
"""Exit status by the status of a run's `Outcome`."""
