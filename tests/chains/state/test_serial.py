"""Whatever the order in which groups begin, are committed and run again: it comes to what they
come to one after the other."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from small_chain import ACCOUNTS, Pinned, applied, base, run, shown

from stoker.chains.backend import ExecutionBackend
from stoker.chains.settings import ChainSettings
from stoker.chains.state.change import Delta
from stoker.chains.state.commits import Committed, Conflict
from stoker.chains.state.overlay import Overlay

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Nothing of this has to survive a power cut."""
CHAINS = {"main": ChainSettings(id=1, rpc="http://127.0.0.1:1")}
account = st.sampled_from(ACCOUNTS)
slot = st.integers(0, 1)
op = st.one_of(
    st.tuples(st.just("add"), account, slot, account, slot, st.integers(0, 3)),
    st.tuples(st.just("pay"), account, account, st.integers(1, 8)),
    st.tuples(st.just("look"), account, account, slot),
    st.tuples(st.just("send"), account),
    st.tuples(st.just("create"), account),
    st.tuples(st.just("renew"), account, slot, st.integers(1, 3)),
)
programs = st.lists(st.lists(op, min_size=1, max_size=4), min_size=2, max_size=5)


def serial(all_programs, order):
    """World and transactions of each, run one after the other."""
    world, sent = base(), {}
    for index in order:
        world, _, sent[index] = run(all_programs[index], world)
    return world, sent


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs, st.data())
def test_any_interleaving_is_some_serial_order(all_programs, data):
    asyncio.run(_interleaved(all_programs, data))


async def _interleaved(all_programs, data):
    backend = ExecutionBackend(Pinned(), CHAINS)
    after = {
        index: set(data.draw(st.sets(st.integers(0, index - 1), max_size=2))) if index else set()
        for index in range(len(all_programs))
    }
    running, committed = {}, {}
    reruns = 0
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        while len(committed) < len(all_programs):
            ready = [
                ("begin", index)
                for index in after
                if index not in running
                and index not in committed
                and after[index] <= committed.keys()
            ]
            kind, index = data.draw(st.sampled_from(ready + [("end", one) for one in running]))
            if kind == "begin":
                view = await backend.view(home=1, chains=[1], after=after[index])
                closure = backend._commits.closure(after[index])
                order = [one for one in committed if one in closure]
                seen = applied(base(), view.deltas.get(1, Delta()))
                assert shown(seen) == shown(serial(all_programs, order)[0])
                running[index] = (view, set(after[index]), *run(all_programs[index], seen)[1:])
                continue
            view, viewed, replay, transactions = running.pop(index)
            came = await backend.commit(
                index,
                after=viewed,
                view=view,
                transactions=transactions,
                replay=replay,
                file=str(Path(folder, f"{index}.json")),
            )
            if isinstance(came, Conflict):
                assert came.groups
                assert not set(came.groups) & backend._commits.closure(viewed)
                after[index] |= set(came.groups)
                reruns += 1
            else:
                committed[index] = came
        assert reruns <= len(all_programs) ** 2
        world, sent = serial(all_programs, committed)
        view = await backend.view(home=1, chains=[1], after=after)
        assert shown(applied(base(), view.deltas.get(1, Delta()))) == shown(world)
        assert {index: one.transactions for index, one in committed.items()} == sent
        await _reads_the_same(view, world)
        await _restored(committed, view)


async def _reads_the_same(view, world):
    overlay = Overlay(Pinned(), view.pins[1], view.deltas.get(1, Delta()))
    for address, found in zip(world, await overlay.accounts(list(world)), strict=True):
        one = world[address]
        assert (found.balance, found.nonce, found.code) == (one.balance, one.nonce, one.code)
        for at in (0, 1):
            assert await overlay.slot(address, at) == one.storage.get(at, 0)


async def _restored(committed: dict[int, Committed], view):
    """After a restart, from what was in the outputs of the groups' steps and their files."""
    backend = ExecutionBackend(Pinned(), CHAINS)
    await backend.restore(list(committed.values()))
    again = await backend.view(home=1, chains=[1], after=committed)
    assert again == view
