"""A task that is too much for one turn is divided, and done in parts."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest
from model_server import Conversation, Reply, Say
from roadmap_world import git
from scenario_shop import BRANCH, Shop, changes

TASK = "- [ ] **Both**: `shop/one.py` and `shop/two.py`\n"
PARTS = [
    {"title": "The first", "description": "make one", "files": ["shop/one.py"]},
    {"title": "The second", "description": "make two", "files": ["shop/two.py"]},
]
DIVISION = f"So:\n```json\n{json.dumps(PARTS)}\n```"


def module(name: str, value: int = 1) -> dict[str, str]:
    test = f"from shop.{name} import N\n\n\ndef test_{name}():\n    assert N == 1\n"
    return {f"shop/{name}.py": f"N = {value}\n", f"tests/test_{name}.py": test}


class Dividing:
    """What the model does: half of the whole; and of its parts, all."""

    def __init__(self, shop: Shop, *divisions: str) -> None:
        self.shop = shop
        self.divisions = list(divisions or (DIVISION,))
        self.second: list[dict[str, str]] = [module("two")]
        self.turns: list[str] = []
        self.told: list[str] = []
        shop.server.policy = self

    def __call__(self, talk: Conversation) -> Reply:
        if not talk.tools:
            return Say("a title")
        if talk.turns:
            return Say("It is done.")
        part = re.search(r"# Your part: (\d) of \d", talk.asked)
        self.told.append(talk.asked)
        if "# Divide it" in talk.asked:
            self.turns.append("divide")
            return Say(self.divisions.pop(0))
        self.turns.append(part[1] if part else "whole")
        if part is None:
            return changes(module("one"))
        if part[1] == "1":
            return changes(module("one") | {"shop/notes.txt": "one\n"})
        return changes(self.second.pop(0))


@pytest.fixture
def dividing(shop: Shop) -> Dividing:
    shop.begin(TASK)
    return Dividing(shop)


def test_it_is_divided_and_each_part_is_verified(dividing: Dividing) -> None:
    shop = dividing.shop
    shop.complete()
    assert dividing.turns == ["whole", "whole", "divide", "1", "2"]
    assert "1. The first (done)\n2. The second (yours)\n\nmake two" in dividing.told[-1]
    shop.recovered("1.1.1", tries=3)  # one box, and it is ticked
    assert git(shop.root, "log", "--format=%s", f"main..{BRANCH}") == "executor(1.1.1): Both"
    one = shop.evidence()["1.1.1"]
    assert one["parts"] == [["The first", True], ["The second", True]]
    assert {"shop/one.py", "shop/two.py", "shop/notes.txt"} <= set(one["evidence"]["files"])
    tokens = git(shop.root, "log", "-1", "--format=%(trailers:key=Stoker-Tokens,valueonly)", BRANCH)
    assert int(tokens) > 0
    told = shop.stoker("review")
    assert "    x The first\n    x The second\n" in told


def test_a_part_that_fails_is_tried_again_and_those_before_it_are_not(dividing: Dividing) -> None:
    shop = dividing.shop
    dividing.second = [module("two", 2), module("two", 1)]
    shop.complete()
    assert dividing.turns == ["whole", "whole", "divide", "1", "2", "2"]
    again = dividing.told[-1].partition("# What was tried before")[2]
    assert "tests/test_two.py" in again
    assert "1. The first (done)" in again
    shop.recovered("1.1.1", tries=4)


def test_a_part_that_never_passes_is_not_tried_for_ever(dividing: Dividing) -> None:
    shop = dividing.shop
    dividing.second = [module("two", n) for n in (2, 3, 4, 5, 6, 7)]
    shop.stoker("run", shop.plan, code=1)
    assert dividing.turns == ["whole", "whole", "divide", "1", "2", "2", "2"]
    one = shop.evidence()["1.1.1"]
    assert (one["status"], one["commit"]) == ("failed", None)
    assert one["parts"] == [["The first", True], ["The second", False]]
    told = shop.stoker("status", shop.plan)
    assert "1.1.1: 1 of 2 parts are done, then The second" in told


def test_a_division_that_is_none(dividing: Dividing) -> None:
    shop = dividing.shop
    dividing.divisions = [json.dumps(PARTS * 5)]
    told = shop.stoker("run", shop.plan, "--retries", "3", code=1)
    assert "the parts: expected 2 to 5, found 10" in told
    assert dividing.turns[:3] == ["whole", "whole", "divide"]


def test_killed_between_parts_it_goes_on_with_the_next(dividing: Dividing) -> None:
    shop = dividing.shop
    argv = [sys.executable, "-m", "stoker", "roadmap", "run", shop.plan, "--run-id", "r"]
    running = subprocess.Popen([*argv, "--quiet"], cwd=shop.root)
    second = dividing.second

    class Killing(list):  # type: ignore[type-arg]
        def pop(self, _: int = 0) -> dict[str, str]:
            running.send_signal(signal.SIGKILL)
            dividing.second = second
            return second[0]

    dividing.second = Killing()
    assert running.wait(120) == -signal.SIGKILL
    shop.stoker("resume", "r")
    turns = dividing.turns
    assert turns[:4] == ["whole", "whole", "divide", "1"]
    assert set(turns[4:]) == {"2"}
    shop.recovered("1.1.1", tries=3)
