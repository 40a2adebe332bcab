"""Chain groups, beside `forge script` with the same imports and the same warm solc-js.

A group brings its script, which no compiler has seen before, so what is measured is everything but
the model: review, compile, capture, replay, audit, commit, the journal. forge keeps what nodes have
told it, also of nodes on loopback, and runs its simulation, as it does by default.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.chain_field import Field, ForgeOrchestrator, Foundry, Proxy, done, door
from benchmarks.measure import Bench, Samples, note, run
from benchmarks.table import Row, at_least, at_most

_WARM, _COLD, _TEN, _SIDE_BY_SIDE = 2.5, 8, 15, 1.5
_TRIPS, _RECEIPTS_MS, _FIRST_MS, _START_SEC, _GROWTH_MB = 3, 20, 100, 1.5, 8
_LATENCY = 0.05
_GROUPS = 10


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """Medians of rounds, and of the ratios within a round."""
    rounds = 1 if quick else 3 * bench.rounds
    with Field() as field:
        return [
            *asyncio.run(_warm(bench, field, rounds)),
            *asyncio.run(_behind(bench, field, rounds)),
            *asyncio.run(_side_by_side(bench, field, rounds)),
            *asyncio.run(_receipts(bench, field, rounds)),
            *asyncio.run(_many(bench, field, 60 if quick else 1_000)),
            *_start(bench, field, rounds),
        ]


async def _warm(bench: Bench, field: Field, rounds: int) -> list[Row]:
    folder, url = bench.fresh(), field.node.url
    pairs = []
    async with door(folder, field, url) as (forge, foundry):
        for number in range(rounds + 1):
            pair = (
                await done(forge, [field.swap()]),
                await foundry.script(field.swap(), url, folder),
            )
            if number:  # in the first, both read the state
                pairs.append(pair)
                _say("warm", pair)
    return _against_forge("warm group", pairs, _WARM)


async def _behind(bench: Bench, field: Field, rounds: int) -> list[Row]:
    """A node that answers after 50 ms."""
    folder = bench.fresh()
    colds, pairs, trips = [], [], []
    with Proxy(field.node.url, latency=_LATENCY) as proxy:
        async with door(folder, field, proxy.url) as (forge, foundry):
            for number in range(rounds):
                before = proxy.trips
                ours = await done(forge, [field.swap()])
                trips.append(proxy.trips - before)
                before = proxy.trips
                colds.append((ours, await foundry.script(field.swap(), proxy.url, bench.fresh())))
                _say(f"cold, {trips[-1]} trips, forge {proxy.trips - before}", colds[-1])
                if number % 3 == 0:
                    pairs.append(await _sequence(field, forge, foundry, proxy.url, folder))
                    _say(f"{_GROUPS} in sequence", pairs[-1])
                field.node.rpc("anvil_mine")  # of this block nobody knows anything
    goal, met = at_most("", max(trips), _TRIPS)
    return [
        *_against_forge("cold group, round trips of 50 ms", colds, _COLD),
        Row(measure="cold group, the most of all rounds", value=max(trips), unit="trips",
            goal=goal, met=met),
        *_against_forge(f"{_GROUPS} in sequence, warm, trips of 50 ms", pairs, _TEN),
    ]  # fmt: skip


async def _sequence(
    field: Field, forge: ForgeOrchestrator, foundry: Foundry, url: str, home: Path
) -> tuple[float, float]:
    """Each after the one before; for forge, which has no such thing, one by one. Both have read the
    state of the block before."""
    await foundry.script(field.swap(), url, home)
    groups = [field.swap(*((index - 1,) if index else ())) for index in range(_GROUPS)]
    ours = await done(forge, groups)
    theirs = [await foundry.script(field.swap(), url, home) for _ in range(_GROUPS)]
    return ours, sum(theirs)


async def _side_by_side(bench: Bench, field: Field, rounds: int) -> list[Row]:
    """A plan of all, a plan of each after the other, and a plan in which each follows the other:
    there, too, scripts are compiled while those before are run."""
    folder = bench.fresh()
    found: list[tuple[float, ...]] = []
    async with door(folder, field, field.node.url) as (forge, _foundry):
        for number in range(rounds + 2):
            both, alone, chained = (
                [
                    field.wrap(*((index - 1,) if follow and index else ()), sender=index)
                    for index in range(_GROUPS)
                ]
                for follow in (False, False, True)
            )
            took = (
                await done(forge, both),
                sum([await done(forge, [one]) for one in alone]),
                await done(forge, chained),
            )
            if number > 1:  # by then there is a second compiler
                found.append(took)
                _say("side by side, one by one, each after the other", took)
    pairs = [took[:2] for took in found]
    ours, other, last = (statistics.median(took[n] * 1000 for took in found) for n in range(3))
    goal, met = at_least("x faster", _faster(pairs), _SIDE_BY_SIDE)
    title = f"{_GROUPS} independent groups"
    return [
        Row(measure=title, who="stoker, one by one", value=other, unit="ms"),
        Row(measure=title, who="stoker, each after the other", value=last, unit="ms"),
        Row(measure=title, value=ours, unit="ms", floor=1 / _faster(pairs), goal=goal, met=met),
    ]


async def _receipts(bench: Bench, field: Field, rounds: int) -> list[Row]:
    """Of a plan whose groups stand by, on state that is known."""
    folder = bench.fresh()
    receipts, first = [], []
    async with door(folder, field, field.node.url) as (forge, _foundry):
        await done(forge, [field.wrap(sender=index) for index in range(_GROUPS)])
        for _ in range(rounds):
            groups = [field.wrap(sender=index) for index in range(_GROUPS)]
            plan = await forge.create_plan(groups)
            results = forge.subscribe_results(plan)
            began = time.perf_counter()
            begun = await forge.next_groups(plan)
            receipts.append((time.perf_counter() - began) * 1000)
            assert (await anext(results)).inner.done
            first.append((time.perf_counter() - began) * 1000)
            assert len(begun) == _GROUPS
            async for _one in results:
                pass
            note(f"chains: receipts {receipts[-1]:.1f} ms, first result {first[-1]:.0f} ms")
    rows = []
    for title, found, limit in (
        (f"receipts of {_GROUPS} groups", receipts, _RECEIPTS_MS),
        (f"first result of {_GROUPS} groups, warm", first, _FIRST_MS),
    ):
        value = statistics.median(found)
        goal, met = at_most("", value, limit, " ms")
        rows.append(Row(measure=title, value=value, unit="ms", goal=goal, met=met))
    return rows


async def _many(bench: Bench, field: Field, count: int) -> list[Row]:
    """One plan of so many groups, in ten rows; memory of the engine, its workers and solc."""
    groups = [
        field.wrap(*((index - _GROUPS,) if index >= _GROUPS else ()), sender=index % _GROUPS)
        for index in range(count)
    ]
    sizes = []
    async with door(bench.fresh(), field, field.node.url) as (forge, _foundry):
        began = time.perf_counter()
        plan = await forge.create_plan(groups, automatic=True)
        there = 0
        async for one in forge.subscribe_results(plan):
            assert one.inner.done, one
            there += 1
            if there % (count // 5) == 0:
                gc.collect()
                sizes.append(_memory(field.node.process.pid))
                note(f"chains: {there} groups, {sizes[-1]}, {time.perf_counter() - began:.1f} s")
        each = (time.perf_counter() - began) / count * 1000
    own, all_ = (sizes[-1][n] - sizes[2][n] for n in range(2))  # by then solc has grown
    goal, met = at_most("", all_, _GROWTH_MB, " MB")
    title = f"memory that groups {count // 5 * 3} to {count:,} take"
    return [
        Row(measure=f"{count:,} groups in one plan, each", value=each, unit="ms"),
        Row(measure=title, who="stoker, engine alone", value=own, unit="MB"),
        Row(measure=title, value=all_, unit="MB", goal=goal, met=met),
    ]


def _memory(besides: int) -> tuple[float, float]:
    """Megabytes of this process, and of it and its children, what they share divided."""
    own = _proportional(os.getpid())
    children = [one for one in _children() if one != besides]
    return own, own + sum(map(_proportional, children))


def _children(pid: int | None = None) -> Iterator[int]:
    for file in Path(f"/proc/{pid or 'self'}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            yield child
            yield from _children(child)


def _proportional(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(one.split()[1]) for one in lines if one.startswith("Pss:")) / 1000


def _start(bench: Bench, field: Field, rounds: int) -> list[Row]:
    """From the shell to the end of a plan of one group, with nothing there yet."""
    found = Samples([])
    for _ in range(rounds):
        folder = bench.fresh()
        settings = field.settings(field.node.url)
        (folder / "chains.toml").write_text(
            f'sender = "{settings.sender}"\nsolc = "{settings.solc}"\n'
            f'[chains.mainnet]\nid = 1\nrpc = "{field.node.url}"\n'
        )
        (folder / "groups.json").write_text(json.dumps({"groups": [field.wrap(sender=0)]}))
        words = ("chain", "run", "groups.json", "--settings", "chains.toml")
        found.rounds.append(run([sys.executable, "-m", "stoker", *words], folder))
        note(f"chains: from the shell {found.rounds[-1]}")
    value = found.median("wall")
    goal, met = at_most("", value, _START_SEC, " s")
    return [
        Row(measure="1 group, from the shell", value=value, unit="s", cpu=found.median("cpu"),
            goal=goal, met=met)
    ]  # fmt: skip


def _say(what: str, times: tuple[float, ...]) -> None:
    note(f"chains: {what}: {', '.join(f'{one * 1000:.0f} ms' for one in times)}")


def _faster(pairs: Sequence[tuple[float, ...]]) -> float:
    return statistics.median(theirs / ours for ours, theirs in pairs)


def _against_forge(title: str, pairs: list[tuple[float, float]], limit: float) -> list[Row]:
    ours, theirs = (statistics.median(pair[n] for pair in pairs) * 1000 for n in range(2))
    faster = _faster(pairs)
    goal, met = at_least("x faster", faster, limit)
    return [
        Row(measure=title, who="forge script", value=theirs, unit="ms"),
        Row(measure=title, value=ours, unit="ms", floor=1 / faster, goal=goal, met=met),
    ]
