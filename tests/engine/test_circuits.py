"""The circuit breaker's transitions, pure and then over a journal."""

import asyncio

from stoker.engine.circuits import Circuits, admit, report
from stoker.engine.engine import Engine
from stoker.journal.base import Circuit
from stoker.journal.open import open_journal
from stoker.plan.model import CircuitBreaker, Globals, Plan, Step
from stoker.steps.registry import kinds

BREAKER = CircuitBreaker(failure_threshold=2, reset_timeout_sec=10)


def fail(circuit, who="r/a", now=0.0):
    return report(circuit, BREAKER, who, succeeded=False, now=now)


def test_it_opens_at_the_threshold_and_success_starts_the_count_again():
    circuit = fail(Circuit(tool="t"))
    assert circuit.state == "closed"
    circuit = report(circuit, BREAKER, "r/a", succeeded=True, now=1)
    circuit = fail(fail(circuit), now=5)
    assert circuit.state == "open"
    assert admit(circuit, BREAKER, "r/b", 6)[1] == 9


def test_one_probe_goes_through_and_its_end_decides():
    circuit = fail(fail(Circuit(tool="t")))
    half_open, wait = admit(circuit, BREAKER, "r/b", 10)
    assert (half_open.state, half_open.probe, wait) == ("half_open", "r/b", None)
    assert admit(half_open, BREAKER, "r/c", 11)[1] > 0
    assert fail(half_open, "r/b", 12).state == "open"
    assert report(half_open, BREAKER, "r/b", succeeded=True, now=12).state == "closed"


def test_a_straggler_that_fails_does_not_end_the_probe():
    half_open, _ = admit(fail(fail(Circuit(tool="t"))), BREAKER, "r/b", 10)
    assert fail(half_open, "r/old", 11).state == "half_open"


def test_a_probe_that_never_comes_back_is_given_up():
    half_open, _ = admit(fail(fail(Circuit(tool="t"))), BREAKER, "r/b", 10)
    taken, wait = admit(half_open, BREAKER, "r/c", 100)
    assert (taken.probe, wait) == ("r/c", None)


def test_a_clock_set_back_does_not_keep_it_open_for_longer_than_the_pause():
    circuit = fail(fail(Circuit(tool="t"), now=1000), now=1000)
    assert admit(circuit, BREAKER, "r/b", 0)[1] <= 10


def test_its_state_survives_a_restart_and_is_shared(tmp_path):
    async def main():
        journal = await open_journal(tmp_path / "j.db")
        circuits = Circuits(journal)
        for now in (1.0, 2.0):
            changed = await circuits.report("t", BREAKER, "r/a", succeeded=False, now=now)
        assert changed is not None
        assert changed.state == "open"
        await journal.close()
        again = await open_journal(tmp_path / "j.db")
        assert await Circuits(again).admit("t", BREAKER, "other/b", 3.0) == 9.0
        failing = CircuitBreaker(failure_threshold=2, reset_timeout_sec=10, on_open="fail")
        answer = await Circuits(again).admit("t", failing, "other/b", 3.0)
        assert answer == "the circuit of 't' is open after 2 failures"
        await again.close()

    asyncio.run(main())


def test_an_engine_that_stops_says_nothing_of_the_tool(tmp_path, options, until):
    breaker = CircuitBreaker(failure_threshold=1, reset_timeout_sec=3600)
    step = Step(id="a", run="test -e go || sleep 300", tool="t")
    plan = Plan(plan_id="p", globals=Globals(circuit_breaker=breaker), steps=(step,))

    async def main():
        journal = await open_journal(tmp_path / "j.db")
        async with Engine(journal, tmp_path, kinds()) as engine:
            run = await engine.start(plan, options=options)
            await until(run, "attempt.starting", "a")
        (tmp_path / "go").touch()
        async with Engine(journal, tmp_path, kinds()) as engine:
            resumed = await engine.resume(run.run_id)
            assert (await resumed.wait()).status == "succeeded"
        await journal.close()

    asyncio.run(asyncio.wait_for(main(), 20))
