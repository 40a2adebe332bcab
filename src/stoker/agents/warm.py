"""Agents that stay after their turn, for the next to begin without their start.

The process stays under its keeper, whose directory then has two files more: `idle`, what
whoever goes on with it must know, and `stdin.idle`, how many seconds that may take. Who takes
the process up, who has it end and its keeper, which ends it when the time has passed, each
rename the second file: one of them succeeds. So nothing has to be told, and none is left over,
if the engine is killed meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from stoker.agents.profiles import Profile
from stoker.agents.store import Checkpoint, Store, tried
from stoker.engine.attempt import realm

MOST: Final = 4
"""So many stay at once for one state directory; of more, the one that has waited longest ends."""
_IDLE: Final = "stdin.idle"


class Idle(Struct, frozen=True, kw_only=True):
    """An agent's process that waits."""

    key: str
    """Only who would start the same may go on with it."""
    session: str
    checkpoint: Checkpoint
    """Where whoever goes on begins."""


class Lodging(Struct, frozen=True, kw_only=True):
    """What an attempt needs to take a process up, and to leave it there."""

    place: Path
    """Has links to the keepers of all that wait."""
    key: str
    seconds: float
    earlier: Path | None
    """Directory of the keeper whose process the attempt may go on with."""

    def find(self, session: str | None) -> Checkpoint | None:
        """Where the process that waits stands, if it is in that session."""
        if self.earlier is None or not (self.earlier / _IDLE).exists():
            return None
        try:
            idle = msgspec.msgpack.decode((self.earlier / "idle").read_bytes(), type=Idle)
        except (OSError, msgspec.DecodeError):
            return None
        fits = idle.key == self.key and idle.session == session
        return idle.checkpoint if fits else None

    def leave(self, session: str, checkpoint: Checkpoint) -> None:
        """Have the process of that session wait. Raises `OSError`."""
        keeper = Path(checkpoint.keeper)
        idle = Idle(key=self.key, session=session, checkpoint=checkpoint)
        (keeper / "idle").write_bytes(msgspec.msgpack.encode(idle))
        waiting = keeper / f"{_IDLE}.new"
        waiting.write_text(f"{self.seconds}")
        self.place.mkdir(mode=0o700, exist_ok=True)
        others = []
        for link in sorted(self.place.iterdir()):
            with suppress(FileNotFoundError):
                if (link / _IDLE).exists() and link.readlink() != keeper:
                    others.append(link)
                else:
                    link.unlink()
        for link in others[: 1 - MOST]:
            end(link)
        (self.place / f"{time.time_ns():020}").symlink_to(keeper)
        waiting.rename(keeper / _IDLE)


def lodging(
    profile: Profile, env: Mapping[str, str], directory: str, continues: tuple[str, ...]
) -> Lodging:
    """For an attempt in the run that has `directory`; `env` is its agent's."""
    known = sorted(one for one in env.items() if not one[0].startswith("STOKER_"))
    earlier = tried(directory, continues[-1]) if continues else []
    store = Store(earlier[-1]) if earlier else None
    found = store.last() if store is not None else None
    return Lodging(
        place=Path(directory).parent.parent / "warm",
        key=sha256(msgspec.msgpack.encode((profile, known))).hexdigest(),
        seconds=profile.warm_sec,
        earlier=store.keeper(found) if store is not None and found is not None else None,
    )


def take(keeper: Path, by: str) -> bool:
    """Take up the process that waits under a keeper; also True if that has been done. `by`:
    whoever does, for nobody else to."""
    taken = keeper / f"stdin.taken.{by}"
    try:
        (keeper / _IDLE).rename(taken)
    except OSError:
        return taken.exists()
    return True


def end(keeper: Path) -> None:
    """Have a process that waits end, which its keeper sees to; nothing if it does not wait."""
    try:
        (keeper / _IDLE).rename(keeper / "stdin.end")
    except OSError:
        return


def end_all(state: Path, run_directory: Path | None = None) -> None:
    """End all that wait, in a state directory or one run of it."""
    place = state / "warm"
    for link in sorted(place.iterdir()) if place.is_dir() else ():
        with suppress(FileNotFoundError):  # somebody else was faster
            if run_directory is None or link.readlink().is_relative_to(run_directory):
                end(link)
                link.unlink()


def marker(attempt: str, keeper: str) -> str:
    """Marks the process of a keeper that may outlive its step; `attempt` marks the attempt
    that starts it, whose run would otherwise end all it finds of itself when it goes on."""
    place = Path(keeper)
    return f"{attempt.partition('/')[0]}.agents/{place.parents[2].name}/{place.parent.name}"


def markers(state: Path, run_id: str) -> str:
    """What the markers of all such processes of a run begin with."""
    return f"{realm(state)}.agents/{run_id}"
