"""Which agent is at a task, by run, phase and task; and a second one that may refuse its work."""

from __future__ import annotations

import json
import re

import pytest
from model_server import Call, Conversation, Refuse, Reply, Say
from roadmap_world import git
from scenario_shop import BRANCH, Shop, changes

PHASES = """\
# Shop

## Phase 1: Sell

### 1.1 Goods
- [ ] **One**: write one
- [ ] **Two**: write two

## Phase 2: Ship

### 2.1 Goods
- [ ] **Three**: write three
- [ ] **Four**: write four
"""
RIGHT = "def vat(price):\n    return round(price * 0.2, 2)\n"
FILES = {
    "shop/vat.py": "def vat(price):\n    return 0.8\n",
    "tests/test_vat.py": "from shop.vat import vat\n\n\n"
    "def test_vat():\n    assert vat(4) == 0.8\n",
}


def module(name: str) -> Say:
    test = f"from shop.{name} import N\n\n\ndef test_{name}():\n    assert N\n"
    return changes({f"shop/{name}.py": "N = 1\n", f"tests/test_{name}.py": test})


def variants(shop: Shop, *names: str) -> None:
    """Profiles `BUILTIN:NAME`, each with a model of its own."""
    path = shop.state.parent / "profiles.json"
    document = json.loads(path.read_text())
    own = document["executors"]["BUILTIN"]
    for name in names:
        own[name] = {**own["DEFAULT"], "model": name.lower()}
    path.write_text(json.dumps(document))


def models(shop: Shop) -> dict[str, str]:
    """Who was at each task."""
    found = {}
    for request in shop.server.requests:
        talk = request.conversation
        if talk is not None and (task := re.search(r"(?m)^## (\S+): ", talk.asked)):
            found[task[1]] = talk.model
    return found


def test_agents_by_run_phase_and_task(shop: Shop) -> None:
    variants(shop, "PLAIN", "SHIP", "EXPERT", "FAST")
    shop.open(PHASES)
    shop.write(
        ".stoker/roadmap.toml",
        'agent = "BUILTIN:PLAIN"\n[phase.2]\nagent = "BUILTIN:SHIP"\n'
        '[task."2.1.2"]\nagent = "BUILTIN:EXPERT"\n',
    )
    tasks = {"1.1.1": "one", "1.1.2": "two", "2.1.1": "three", "2.1.2": "four"}
    shop.script = {task: [module(name)] for task, name in tasks.items()}
    shown = shop.stoker("run", shop.plan, "--dry-run", "--task-agent", "1.1.2=BUILTIN:FAST")
    assert "1.1.2: Two  [BUILTIN:FAST]" in shown
    assert "2.1.2: Four  [BUILTIN:EXPERT]" in shown
    shop.complete("--task-agent", "1.1.2=BUILTIN:FAST", "--max-tasks", "3")
    shop.complete("--phase-agent", "2=BUILTIN:FAST", "--task-agent", "2.1.2=BUILTIN:SHIP")
    assert models(shop) == {"1.1.1": "plain", "1.1.2": "fast", "2.1.1": "ship", "2.1.2": "ship"}


def test_agents_of_what_is_not_there(shop: Shop) -> None:
    shop.open(PHASES)
    told = shop.stoker("run", shop.plan, "--task-agent", "2.1.7=BUILTIN", code=2)
    assert "ROADMAP.md: there is no task 2.1.7" in told
    told = shop.stoker("run", shop.plan, "--phase-agent", "7=BUILTIN", code=2)
    assert "ROADMAP.md: there is no phase 7" in told
    told = shop.stoker("run", shop.plan, "--phase-agent", "BUILTIN", code=2)
    assert "expected ID=EXECUTOR[:VARIANT], found 'BUILTIN'" in told


class Reviewed:
    """The policy of a reviewer, and of who is reviewed."""

    def __init__(self, shop: Shop, *verdicts: str | Refuse) -> None:
        self.shop, self.verdicts = shop, list(verdicts)
        self.asked: list[str] = []
        shop.server.policy = self

    def __call__(self, talk: Conversation) -> Reply:
        if talk.model != "critic":
            return self.shop._policy(talk)
        if not talk.turns:
            self.asked.append(talk.asked)
            spoil = Call("write_file", {"path": "shop/vat.py", "content": "spoiled\n"})
            base = re.search(r"git diff \w+ HEAD", talk.asked)
            assert base
            return Say(calls=(Call("execute", {"command": base[0]}), spoil))
        assert "+++ b/shop/vat.py" in talk.results[0].text
        verdict = self.verdicts.pop(0)
        return verdict if isinstance(verdict, Refuse) else Say(verdict)


def reviewed(shop: Shop, *verdicts: str | Refuse, more: str = "") -> Reviewed:
    variants(shop, "CRITIC")
    shop.begin(
        "- [ ] **VAT**: `vat(price)` in `shop/vat.py` is 20% of the price\n"
        "  - **Acceptance Criteria**: it holds for every price\n" + more
    )
    shop.script = {"1.1.1": [changes(FILES), changes({"shop/vat.py": RIGHT})]}
    return Reviewed(shop, *verdicts)


def test_a_reviewer_refuses_and_then_accepts(shop: Shop) -> None:
    point = "shop/vat.py:2: it is 0.8 whatever the price"
    critic = reviewed(shop, f"Tests pass, but:\n- {point}\n\nVERDICT: refuse", "VERDICT: accept")
    shop.complete("--reviewer", "BUILTIN:CRITIC")
    assert "is 20% of the price" in critic.asked[0]
    again = shop.retry()
    assert f"in shop/vat.py:2: BUILTIN:CRITIC refuses it: {point}" in again
    shop.recovered("1.1.1")
    evidence = shop.evidence()["1.1.1"]["evidence"]
    assert evidence["levels"][-1] == "acceptance"
    assert evidence["reason"].startswith("BUILTIN:CRITIC has reviewed and accepts it; 2 tests")
    # What the reviewer did to the files is nobody's work.
    assert git(shop.root, "show", f"{BRANCH}:shop/vat.py") == RIGHT.strip()


def test_a_review_that_a_rate_limit_cut_short_is_repeated_and_the_work_is_not(shop: Shop) -> None:
    limited = Refuse(429, retry_after=1)
    critic = reviewed(
        shop, *[limited] * 2, "- shop/vat.py:2: wrong\nVERDICT: refuse", "VERDICT: accept"
    )
    told = shop.complete("--reviewer", "BUILTIN:CRITIC")
    assert told.count("failed: rate limit: ") == 2
    # The agent has worked once, and once more when it was refused.
    assert [number for _, number, _ in shop.prompts] == [1, 2]
    assert "shop/vat.py:2: wrong" in shop.retry()
    assert len(critic.asked) == 4
    shop.recovered("1.1.1", tries=4)
    passed = shop.evidence()["1.1.1"]["evidence"]
    assert passed["levels"][-1] == "acceptance"


def test_what_a_reviewer_never_accepts_is_not_done(shop: Shop) -> None:
    more = "\n## Phase 2: Ship\n\n> **Prerequisites**: Phase 1\n\n### 2.1 Goods\n- [ ] **Bill**\n"
    reviewed(shop, "It looks fine to me.", "VERDICT: refuse", more=more)
    told = shop.stoker("run", shop.plan, "--reviewer", "BUILTIN:CRITIC", "--retries", "1", code=1)
    assert "gave no verdict: It looks fine to me." in shop.retry()
    standing = shop.evidence()["1.1.1"]
    assert (standing["status"], standing["commit"]) == ("failed", None)
    assert (shop.root / shop.plan).read_bytes() == shop.before
    assert "1.1.1 try 1 failed: tool failure: BUILTIN:CRITIC, who reviews it, gave no" in told
    assert "1.1.1 VAT failed in " in told
    assert "2.1.1 Bill waits for what failed" in told
    assert "stoker roadmap run ROADMAP.md --retry-failed" in told


def test_a_reviewer_of_what_no_command_verifies(shop: Shop) -> None:
    variants(shop, "CRITIC")
    shop.begin("- [ ] **VAT**: `vat(price)` in `shop/vat.py` is 20% of the price\n")
    shop.script = {"1.1.1": [changes({"shop/vat.py": RIGHT})]}
    Reviewed(shop, "All cases hold.\n\n**VERDICT: accept**")
    shop.complete("--reviewer", "BUILTIN:CRITIC", "--verify-mode", "agent")
    standing = shop.evidence()["1.1.1"]
    assert standing["status"] == "done"
    assert "commands" not in standing["evidence"]
    assert standing["reason"] == "BUILTIN:CRITIC has reviewed and accepts it"


def test_a_provider_that_only_the_environment_names(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STOKER_PROFILES")
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", shop.server.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-test")
    shop.begin("- [ ] **One**: write one\n")
    shop.script = {"1.1.1": [module("one")]}
    shop.complete("--model", "claude-scripted")
    talks = [request.conversation for request in shop.server.requests]
    assert {(talk.wire, talk.model) for talk in talks if talk} == {("anthropic", "claude-scripted")}
    shop.recovered("1.1.1", tries=1)
