"""A broadcaster on the test nodes, and groups for it. Run as a program, it broadcasts and may be
killed at any time: `outbox.py STATE CHAINS.TOML GROUPS RUN_ID`, an empty RUN_ID to begin."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path[:0] = [str(here), str(here.parent), str(here.parent / "engines")]

from nodes import program

from stoker.api import open_engine
from stoker.chains.broadcast.broadcaster import Broadcaster
from stoker.chains.broadcast.describe import Outgoing, outgoing
from stoker.chains.errors import ChainError
from stoker.chains.evm.anvil import AnvilEngine
from stoker.chains.load import load
from stoker.chains.report.registry import Registry
from stoker.chains.rpc import Rpc
from stoker.chains.state.remote import Remote
from stoker.journal.base import RunOver

SCRIPT = "Group.s.sol"


def write_settings(path: Path, urls: dict[int, str], *, signs: bool = True) -> Path:
    names = {1: "mainnet", 10: "optimism"}
    path.write_text(
        "".join(
            f'[chains.{names[one]}]\nid = {one}\nrpc = "{url}"\nsigns = {str(signs).lower()}\n'
            for one, url in urls.items()
        )
    )
    return path


@asynccontextmanager
async def broadcaster(settings: Path):
    loaded = load(settings, os.environ).settings
    rpcs = {one.id: Rpc(alias, one.id, one.rpc) for alias, one in loaded.chains.items()}
    remote = Remote(list(rpcs.values()))
    engine = AnvilEngine(remote, str(program("anvil")))
    try:
        yield Broadcaster(loaded, settings, rpcs, remote, engine), engine, remote
    finally:
        await engine.close()
        await remote.close()


async def group_of(engine: AnvilEngine, job, timestamp: int = 1) -> Outgoing:
    done = await engine.replay(job)
    assert done.error is None
    return outgoing(SCRIPT, job.transactions, done.transactions, Registry(), timestamp=timestamp)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _main(state: str, settings: str, groups: str, run_id: str) -> None:
    async with open_engine(Path(state, "journal.db"), directory=state) as engine:
        try:
            if run_id:
                handle = await engine.resume(run_id, park=False)
            else:  # begin, or ask once more for the same
                content = Path(groups).read_bytes()
                several = msgspec.msgpack.decode(content, type=list[Outgoing])
                async with broadcaster(Path(settings)) as (outbox, _, _):
                    run_id = await outbox.broadcast(engine, several, Path(state))
                    handle = engine.handle(run_id)
        except RunOver:  # the one before was killed just after the end
            _tell(run_id)
            _tell((await engine.journal.run(run_id)).status)
            return
        except ChainError as error:
            assert str(error).startswith("it has been sent"), error
            _tell(str(error).split()[-1])
            _tell("succeeded")
            return
        _tell(run_id)
        outcome = await handle.wait()
        _tell(outcome.status)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:5]))
