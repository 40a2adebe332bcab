"""The built-in agent: what a step costs beside the model, and how soon it is there.

A step is a request, its answer with one call of a tool, and the tool. The floor is the same
exchange, as httpx makes it, over and over, with what the tool does and two lines that are
written: the answer and the tool's result.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Bench, note
from benchmarks.table import Row, at_most

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "agents"))

from model_server import Call, Conversation, ModelServer, Reply, Say

_WARM = 10
_MANY = 16
_FLOOR = """
import asyncio, os, sys, httpx

async def main():
    content = open(sys.argv[2], "rb").read()
    fd = os.open(sys.argv[2] + ".lines", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with httpx.AsyncClient() as client:
        for _ in range(int(sys.argv[3])):
            async with client.stream("POST", sys.argv[1], content=content) as response:
                async for _ in response.aiter_bytes():
                    pass
            sorted(os.listdir(sys.argv[4]))
            for _ in range(2):
                os.write(fd, b"x" * 200 + b"\\n")

asyncio.run(main())
"""
_TOGETHER = """
import asyncio, sys
from pathlib import Path
import msgspec
sys.modules.setdefault("httpx._main", None)
from stoker.agents.builtin.session import Session
from stoker.agents.builtin.settings import Settings

async def main():
    settings = msgspec.json.decode(sys.argv[1], type=Settings)
    await asyncio.gather(*(
        Session(settings, session=Path(at).name, state=Path(at, "state"), cwd=at).run("go")
        for at in sys.argv[2:]
    ))

asyncio.run(main())
"""


def _step_ms(server: ModelServer) -> float:
    """Median time from one request to the next, in milliseconds."""
    times = [record.time for record in server.requests[_WARM:]]
    return statistics.median(b - a for a, b in itertools.pairwise(times)) * 1000


def _policy(steps: int) -> Callable[[Conversation], Reply]:
    def policy(talk: Conversation) -> Reply:
        if talk.turns == steps:
            return Say("done")
        return Say(calls=(Call("ls", {"path": "."}),))

    return policy


def _settings(server: ModelServer) -> str:
    return json.dumps({"model": "m", "base_url": f"{server.url}/v1", "max_repeats": 10**6})


def _argv(server: ModelServer, folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "stoker.agents.builtin", "--prompt", "go"),
        *("--settings", _settings(server)),
        *("--state", str(folder / "state"), "--cwd", str(folder)),
    ]


def _agent(folder: Path, steps: int) -> tuple[float, float, bytes]:
    """Milliseconds of a step, and from the start to the first request; the last request."""
    with ModelServer(_policy(steps)) as server:
        began = time.monotonic()
        subprocess.run(
            _argv(server, folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True
        )
        start = (server.requests[0].time - began) * 1000
        return _step_ms(server), start, server.requests[len(server.requests) // 2].body


def _floor(folder: Path, steps: int, body: bytes) -> float:
    (folder / "body").write_bytes(body)
    with ModelServer(lambda talk: Say(calls=(Call("ls", {"path": "."}),))) as server:
        url = f"{server.url}/v1/chat/completions"
        argv = [sys.executable, "-c", _FLOOR, url, folder / "body", str(steps), folder]
        subprocess.run(argv, check=True)
        return _step_ms(server)


def _places(folder: Path, name: str) -> list[Path]:
    places = [folder / f"{name}-{number}" for number in range(_MANY)]
    for place in places:
        place.mkdir()
    return places


def _many(folder: Path, steps: int) -> tuple[float, float]:
    """Megabytes of `_MANY` agents at work at once, what they share counted once, without their
    keepers; the same of as many interpreters that have asyncio and msgspec and do nothing."""
    with ModelServer(_policy(steps)) as server:
        ours = _memory([_argv(server, place) for place in _places(folder, "apart")])
    bare = "import asyncio, msgspec, time; time.sleep(2)"
    return ours, _memory([[sys.executable, "-c", bare]] * _MANY)


def _together(folder: Path, steps: int) -> float:
    """Megabytes of as many loops in one process, as other harnesses are measured."""
    with ModelServer(_policy(steps)) as server:
        places = [str(place) for place in _places(folder, "together")]
        most = _memory([[sys.executable, "-c", _TOGETHER, _settings(server), *places]])
        assert len(server.requests) == _MANY * (steps + 1), "not all of them did their work"
        return most


def _memory(commands: list[list[str]]) -> float:
    """The most that they have together until the last has ended, in megabytes."""
    started = [
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for argv in commands
    ]
    most = 0
    while any(one.poll() is None for one in started):
        most = max(most, sum(_proportional(one.pid) for one in started))
        time.sleep(0.05)
    assert not any(one.returncode for one in started)
    return most / 1e6


def _proportional(pid: int) -> int:
    """Bytes; of what is shared its part."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(
        (int(one.split()[1]) << 10 for one in text.splitlines() if one.startswith("Pss:")), 0
    )


def _python(folder: Path) -> float:
    """Milliseconds until an interpreter has httpx, which no agent on it can do without."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import asyncio, httpx"], check=True, cwd=folder)
    return (time.monotonic() - began) * 1000


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """Medians of rounds, and of the ratios within a round."""
    steps = 20 if quick else 60
    found: list[tuple[float, ...]] = []
    for _ in range(bench.rounds):
        folder = bench.fresh()
        step, start, body = _agent(folder, steps)
        rest = (*_many(folder, steps), _together(folder, steps))
        found.append((step, _floor(folder, steps, body), start, _python(folder), *rest))
        note(f"agent: step {step:.2f} ms, floor {found[-1][1]:.2f} ms, start {start:.0f} ms")
    step, bare, start, python, memory, least, together = (
        statistics.median(one[n] for one in found) for n in range(7)
    )
    slower = statistics.median(one[0] / one[1] for one in found)
    goal, met = at_most("floor +", step - bare, 1.5, " ms")
    label = "built-in agent, a step"
    first = "built-in agent, start to first request"
    ratio = statistics.median(one[2] / one[3] for one in found)
    many = f"memory of {_MANY} built-in agents at work"
    loops = f"memory of {_MANY} loops of the built-in agent in one process"
    room, small = at_most("", together, 150, " MB")
    return [
        Row(measure=label, who="bare httpx, listdir", value=bare, unit="ms"),
        Row(measure=label, value=step, unit="ms", floor=slower, goal=goal, met=met),
        Row(measure=first, who="python, import httpx", value=python, unit="ms"),
        Row(measure=first, value=start, unit="ms", floor=ratio),
        Row(measure=many, who="python, import asyncio, msgspec", value=least, unit="MB"),
        Row(measure=many, value=memory, unit="MB", floor=memory / least),
        Row(measure=loops, value=together, unit="MB", goal=room, met=small),
    ]
