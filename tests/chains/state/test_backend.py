"""The state of one plan: pins, what groups see of each other, commits, restarts."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from proxy import Proxy
from small_chain import ACCOUNTS, PIN, Pinned, base, run

from stoker.chains.backend import ExecutionBackend
from stoker.chains.errors import ChainError, RpcError
from stoker.chains.evm.job import Replay
from stoker.chains.rpc import Rpc
from stoker.chains.rpc_wire import RpcLimits
from stoker.chains.settings import ChainSettings
from stoker.chains.state.change import Access, AccountChange, Delta
from stoker.chains.state.commits import Committed, Conflict
from stoker.chains.state.remote import Remote

A, B, C = ACCOUNTS
CHAINS = {
    "main": ChainSettings(id=1, rpc="http://127.0.0.1:1"),
    "other": ChainSettings(id=10, rpc="http://127.0.0.1:1", block=3),
}


class Plan:
    """A backend over the small chain, and groups of a few operations."""

    def __init__(self, folder):
        self.backend = ExecutionBackend(Pinned(), CHAINS)
        self._folder = folder

    async def begin(self, *operations, after=()):
        """What a group will be committed with."""
        view = await self.backend.view(home=1, chains=[], after=after)
        from small_chain import applied

        seen = applied(base(), view.deltas.get(1, Delta()))
        _, replay, transactions = run(operations, seen)
        return {"after": after, "view": view, "transactions": transactions, "replay": replay}

    async def end(self, index, begun):
        return await self.backend.commit(index, **begun, file=str(self._folder / f"{index}.json"))

    async def group(self, index, *operations, after=()):
        return await self.end(index, await self.begin(*operations, after=after))

    async def seen(self, *after):
        view = await self.backend.view(home=1, chains=[], after=after)
        return view.deltas.get(1, Delta()).accounts


@pytest.fixture
def plan(tmp_path):
    return Plan(tmp_path)


def nonces(committed):
    return [one.nonce for one in committed.transactions]


def test_blocks_are_pinned_once_by_the_first_that_asks(nodes):
    async def views(url):
        remote = Remote([Rpc("main", 1, url), Rpc("other", 10, nodes[10].url)])
        backend = ExecutionBackend(
            remote, CHAINS | {"other": ChainSettings(id=10, rpc="", block=1)}
        )
        found = await asyncio.gather(
            *(backend.view(home=1, chains=[1], after=[]) for _ in range(5)),
            backend.view(home=10, chains=[1], after=[]),
        )
        again = await backend.view(home=1, chains=[], after=[])
        await remote.close()
        return found, again

    with Proxy(nodes[1].url) as proxy:
        found, again = asyncio.run(views(proxy.url))
        assert proxy.trips == 1
    assert {one.pins[1] for one in found} == {again.pins[1]}
    assert found[5].pins[10].number == 1
    assert (found[5].home, found[5].aliases) == (10, {"main": 1, "other": 10})
    assert (again.home, again.aliases, set(again.pins)) == (1, {"main": 1}, {1})


def test_a_chain_that_is_down_leaves_the_others_alone_and_is_tried_again(nodes):
    down = True

    def fault(asked, trip):
        return (403, {}, b"") if down else None

    async def views(url):
        nonlocal down
        remote = Remote([Rpc("main", 1, nodes[1].url), Rpc("other", 10, url, RpcLimits())])
        backend = ExecutionBackend(
            remote, {"main": CHAINS["main"], "other": ChainSettings(id=10, rpc="")}
        )
        with pytest.raises(RpcError, match=r"chain 'other' .*HTTP 403"):
            await backend.view(home=1, chains=[10], after=[])
        alone = await backend.view(home=1, chains=[1], after=[])
        down = False
        both = await backend.view(home=1, chains=[10], after=[])
        assert both.pins[1] is alone.pins[1] and set(both.pins) == {1, 10}
        with pytest.raises(ChainError, match="chain 5 is not configured"):
            await backend.view(home=5, chains=[], after=[])
        await remote.close()

    with Proxy(nodes[10].url, fault) as proxy:
        asyncio.run(views(proxy.url))


def test_a_group_sees_those_it_comes_after_and_nothing_else(plan):
    async def groups():
        await plan.group(0, ("pay", A, B, 1))
        await plan.group(1, ("pay", A, B, 2))
        await plan.group(2, ("pay", A, C, 4), after=[0])
        await plan.group(3, ("send", C), after=[2])
        assert await plan.seen() == {}
        assert (await plan.seen(1))[A].balance == -2
        assert (await plan.seen(3))[A].balance == -5
        assert (await plan.seen(3))[C] == AccountChange(balance=4, nonce=1)
        assert (await plan.seen(3, 1))[A].balance == -7

    asyncio.run(groups())


def test_one_that_looked_at_what_was_changed_meanwhile_runs_again_after_that(plan):
    async def groups():
        slow = await plan.begin(("look", A, C, 0))
        await plan.group(1, ("pay", A, B, 1))
        await plan.group(2, ("send", B))
        assert await plan.end(0, slow) == Conflict((1,))
        came = await plan.group(0, ("look", A, C, 0), after=[1])
        assert isinstance(came, Committed)
        assert (came.after, came.position) == ((1,), 2)
        assert (await plan.seen(0))[C].storage == {0: 9}

    asyncio.run(groups())


def test_transactions_of_one_wallet_get_nonces_behind_each_other(plan):
    async def groups():
        first = await plan.begin(("send", A), ("send", A))
        second = await plan.begin(("send", A), ("send", B), ("send", A))
        third = await plan.begin(("send", A))
        assert nonces(await plan.end(0, first)) == [0, 1]
        assert nonces(await plan.end(1, second)) == [2, 0, 3]
        assert nonces(await plan.end(2, third)) == [4]
        assert nonces(await plan.group(3, ("send", A), after=[1])) == [5]
        assert (await plan.seen(0, 1, 2, 3))[A].nonce == 6

    asyncio.run(groups())


def test_where_an_address_rests_on_the_nonce_it_is_not_changed(plan):
    async def groups():
        creating = await plan.begin(("create", A))
        await plan.group(1, ("send", A))
        assert await plan.end(0, creating) == Conflict((1,))
        came = await plan.group(0, ("create", A), after=[1])
        assert nonces(came) == [1]
        later = await plan.begin(("send", A))
        assert nonces(await plan.end(2, later)) == [2]

    asyncio.run(groups())


def test_on_all_chains_or_on_none(tmp_path):
    def replay(slot):
        looked = Access(slots={A: {slot}})
        delta = Delta({A: AccountChange(storage={slot: 1})})
        return Replay(
            transactions=(), deltas={1: delta, 10: delta}, accesses={1: Access(), 10: looked}
        )

    async def groups():
        backend = ExecutionBackend(Pinned(), CHAINS)
        view = await backend.view(home=1, chains=[10], after=[])
        told = {"after": [], "view": view, "transactions": []}
        only = msgspec.structs.replace(replay(1), deltas={10: replay(1).deltas[10]})
        await backend.commit(0, **told, replay=only, file=str(tmp_path / "0"))
        came = await backend.commit(1, **told, replay=replay(1), file=str(tmp_path / "1"))
        assert came == Conflict((0,))
        assert not (tmp_path / "1").exists()
        assert (await backend.view(home=1, chains=[10], after=[1])).deltas == {}
        with pytest.raises(OSError, match="0"):
            await backend.commit(1, **told, replay=replay(2), file=str(tmp_path / "0" / "1"))
        assert (await backend.view(home=1, chains=[10], after=[1])).deltas == {}
        await backend.commit(1, **told, replay=replay(2), file=str(tmp_path / "1"))
        view = await backend.view(home=1, chains=[10], after=[0, 1])
        assert view.deltas[1].accounts[A].storage == {2: 1}
        assert view.deltas[10].accounts[A].storage == {1: 1, 2: 1}
        only_one = await backend.view(home=1, chains=[], after=[0, 1])
        assert set(only_one.deltas) == set(only_one.pins) == {1}

    asyncio.run(groups())


def test_what_was_committed_since_a_snapshot_is_taken_back(plan):
    async def groups():
        await plan.group(0, ("pay", A, B, 1))
        before = plan.backend.snapshot()
        await plan.group(1, ("pay", A, B, 2), after=[0])
        await plan.group(2, ("send", A))
        assert (await plan.seen(1))[A].balance == -3
        plan.backend.reset(before)
        assert await plan.seen(1, 2) == {}
        assert (await plan.seen(0))[A].balance == -1
        assert nonces(await plan.group(2, ("send", A))) == [0]
        assert (await plan.seen(0, 2))[A] == AccountChange(balance=-1, nonce=1)

    asyncio.run(groups())


def test_one_that_did_not_settle_is_taken_back_unless_others_have_seen_it(plan):
    async def groups():
        await plan.group(0, ("send", A))
        plan.backend.withdraw(0)
        plan.backend.withdraw(7)
        assert await plan.seen(0) == {}
        assert nonces(await plan.group(0, ("send", A), ("send", A))) == [0, 1]
        assert nonces(await plan.group(0, ("send", A))) == [0]  # in the place of the first
        await plan.group(1, ("send", A), after=[0])
        with pytest.raises(ChainError, match="group 0 cannot be taken back: group 1 came after it"):
            plan.backend.withdraw(0)

    asyncio.run(groups())


def test_after_a_restart_the_plan_goes_on_from_what_has_settled(plan, tmp_path):
    async def groups():
        first = await plan.group(0, ("send", A), ("pay", A, B, 3))
        interrupted = await plan.group(1, ("send", A))
        last = await plan.group(2, ("send", A), after=[0])
        assert (nonces(interrupted), nonces(last)) == ([1], [2])
        again = Plan(tmp_path)
        told = msgspec.json.decode(msgspec.json.encode([last, first]), type=list[Committed])
        await again.backend.restore(told)
        assert again.backend.pins == {1: PIN}
        assert await again.seen(2) == await plan.seen(2)
        # the place of the one that did not settle is taken by whoever needs it
        assert nonces(await again.group(1, ("send", A), ("send", A))) == [1, 3]

    asyncio.run(groups())


@pytest.mark.parametrize("how", ["gone", "changed", "before gone"])
def test_state_that_is_not_what_it_was_is_told(how, plan, tmp_path):
    async def groups():
        first = await plan.group(0, ("send", A))
        second = await plan.group(1, ("send", A), after=[0])
        path = Path(second.state)
        if how == "gone":
            path.unlink()
        elif how == "changed":
            path.write_bytes(path.read_bytes().replace(b'"nonce":1', b'"nonce":2'))
        settled = [second] if how == "before gone" else [first, second]
        await Plan(tmp_path).backend.restore(settled)

    message = {
        "gone": "the state of group 1 cannot be read: .*No such file",
        "changed": "the state of group 1 is not what it was: ",
        "before gone": "group 1 came after group 0, whose state is gone",
    }
    with pytest.raises(ChainError, match=message[how]):
        asyncio.run(groups())


def test_many_groups_one_after_the_other(plan):
    """What a group sees is made out of what the one before saw."""

    async def groups():
        for index in range(200):
            operations = ("add", C, index % 7, C, index % 7, 1), ("pay", A, B, 1), ("pay", B, A, 1)
            await plan.group(index, *operations, after=[index - 1] if index else [])
        return (await plan.seen(199))[C].storage

    storage = asyncio.run(groups())
    start = base()[C].storage
    assert storage == {slot: start.get(slot, 0) + len(range(slot, 200, 7)) for slot in range(7)}
    assert len(plan.backend._commits._views) <= 8
