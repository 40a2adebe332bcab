"""`python kill_at.py WHAT N WHEN ...`: `stoker ...` that dies by SIGKILL just before or after the
N-th commit to the journal or spawn of a process."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "reliability"))

from crash_at import arm

from stoker.cli.main import main
from stoker.journal.sqlite import SqliteJournal

if __name__ == "__main__":
    what, number, when, *sys.argv[1:] = sys.argv[1:]
    arm(SqliteJournal, what, int(number), when)
    sys.exit(main())
