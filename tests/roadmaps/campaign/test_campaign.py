"""The benchmark of roadmaps in small: a tick can be trusted, whatever agents, providers and hosts
do. `python -m benchmarks.roadmaps` is the whole of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from benchmarks.roadmaps import hosts, people
from benchmarks.roadmaps.campaign import run
from benchmarks.roadmaps.corpus import ITEMS
from benchmarks.roadmaps.policies import FAULTS, Agent
from stoker.roadmaps.verify.tampering import weakened

THREE = tuple(item for item in ITEMS if item.name in ("words", "invoice", "clamp"))
TWO = (THREE[0], THREE[2])


def results(cell):
    assert cell.sound, cell
    return [(one.status, one.right, one.tries) for one in cell.outcomes]


@pytest.mark.parametrize("parallel", ["1", "2"])
def test_the_oracle_is_believed(parallel):
    cell = run("oracle", THREE, Agent(), options=("--parallel", parallel))
    assert results(cell) == [("done", True, 1)] * 3


@pytest.mark.parametrize("null", ["nothing", "claims"])
def test_who_does_nothing_is_not(null):
    cell = run(null, THREE, Agent(null=null), options=("--parallel", "2"))
    assert results(cell) == [("failed", False, 3)] * 3


@pytest.mark.parametrize("fault", ["half an edit", "wrong path", "patched runner"])
def test_who_goes_wrong_is_told_and_mends_it(fault):
    cell = run(fault, TWO, Agent(fault=fault), options=("--parallel", "2"))
    assert results(cell) == [("done", True, 2)] * 2


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_weakened_tests_are_weaker_and_not_broken(item):
    for call in FAULTS["weakened tests"][0](item):
        text = call.arguments["content"]
        assert list(weakened(item.test_path, item.visible, text))
        if item.language == "python":
            compile(text, item.test_path, "exec")


def test_a_run_that_is_killed_is_gone_on_with():
    assert results(hosts.killed_at(TWO, "commit", 4, "after")) == [("done", True, 1)] * 2


def test_all_is_taken_back():
    assert results(hosts.rolled_back(TWO)) == [("done", True, 1)] * 2


def test_two_executors_at_one_file():
    assert results(hosts.two_executors(TWO)) == [("done", True, 1)] * 2


def test_another_branch_is_checked_out_meanwhile():
    assert results(people.switched(TWO)) == [("done", True, 1)] * 2
