"""Finding kinds: built in, of other packages, broken ones, and none at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import stoker
from stoker.engine.kinds import StepFailed
from stoker.engine.registry import Registry
from stoker.plan.errors import PlanError
from stoker.plan.loader import loads
from stoker.plan.model import Step
from stoker.steps.registry import BUILT_IN, kinds

SOURCE = str(Path(stoker.__file__).parent.parent)

GREET = """
from msgspec import Struct
from stoker.engine.kinds import ProcessWork


class Greet(Struct, frozen=True, forbid_unknown_fields=True):
    who: str


class Kind:
    name = "greet"
    definition = Greet
    on_interrupt = "rerun"

    def check(self, step, definition):
        return [] if definition.who else ["who: expected a name"]

    def tool(self, step, definition):
        return "greet"

    def start(self, step, definition, attempt):
        return ProcessWork(spec=attempt.process(("echo", f"hello {definition.who}")))


KIND = Kind()
"""


def package(root: Path, name: str, module: str, source: str, points: str) -> None:
    """A package the way an installer leaves it: module and metadata."""
    (root / f"{module}.py").write_text(source)
    info = root / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[stoker.kinds]\n{points}\n")


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_kind_answers_to_its_name(name):
    kind = kinds()[name]
    assert kind.name == name
    assert kind.definition.__struct_config__.forbid_unknown_fields
    assert kind.definition.__struct_config__.frozen
    assert kinds()[name] is kind


def test_built_in_kinds_do_not_read_package_metadata():
    code = (
        "import sys\n"
        "from stoker.steps.registry import kinds\n"
        "kinds()['command'], kinds()['shell']\n"
        "slow = {'importlib.metadata', 'httpx', 'dataclasses', 'subprocess', 'yaml'}\n"
        "print(sorted(slow & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_unknown_kinds():
    assert "no-such-kind" not in kinds()
    assert kinds().get("no-such-kind") is None
    with pytest.raises(KeyError):
        kinds()["no-such-kind"]


def test_another_package_adds_a_kind(tmp_path):
    """A real package, built and installed by pip, whose kind the command line then knows."""
    project, site = tmp_path / "project", tmp_path / "site"
    (project / "greet_steps").mkdir(parents=True)
    (project / "greet_steps/__init__.py").write_text("")
    (project / "greet_steps/greet.py").write_text(GREET)
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "greet-steps"\nversion = "1.0"\n'
        '[project.entry-points."stoker.kinds"]\ngreet = "greet_steps.greet:KIND"\n'
    )
    install = ["install", "--no-deps", "--no-build-isolation", "--no-index", "-q", "-t"]
    subprocess.run(
        [sys.executable, "-m", "pip", *install, str(site), str(project)],
        check=True,
        capture_output=True,
    )

    def stoker(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stoker", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{SOURCE}:{site}"},
            capture_output=True,
            text=True,
            check=False,
        )

    plan = tmp_path / "plan.json"
    for who, status in (("world", 0), ("", 2)):
        step = {"id": "a", "step_def": {"type": "greet", "who": who}}
        plan.write_text(json.dumps({"plan_id": "p", "steps": [step]}))
        assert [stoker(verb, plan.name).returncode for verb in ("validate", "run")] == [status] * 2
    assert stoker("logs", "last").stdout == "a | hello world\n"
    assert "step_def.greet" in json.loads(stoker("schema").stdout)["$defs"]


def test_a_kind_of_another_package_is_carried_out(tmp_path, monkeypatch, carry):
    package(tmp_path, "greet-steps", "greet_here", GREET, "greet = greet_here:KIND")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry(BUILT_IN)
    monkeypatch.setattr(sys.modules[type(carry).__module__], "kinds", lambda: registry)
    assert carry("greet", who="you").out == "hello you\n"
    assert list(registry)[: len(BUILT_IN)] == list(BUILT_IN)
    assert "greet" in list(registry)
    assert len(registry) == len(list(registry))


@pytest.mark.parametrize(
    ("source", "points", "words"),
    [
        ("1 / 0", "odd = odd_kind:KIND", "loading odd_kind:KIND failed: ZeroDivisionError"),
        ("", "odd = odd_kind:KIND", "has no attribute 'KIND'"),
        ("KIND = 3", "odd = odd_kind:KIND", "lacks name, definition"),
        (GREET, "odd = odd_kind:KIND", "calls itself 'greet'"),
    ],
)
def test_a_broken_kind_names_its_package(carry, tmp_path, monkeypatch, source, points, words):
    package(tmp_path, "odd-steps", "odd_kind", source, points)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("odd_kind", None)
    registry = Registry({})
    assert "odd" in registry
    broken = registry["odd"]
    step = Step(id="s", step_def={"type": "odd", "any": "field"})
    definition = msgspec.convert({"any": "field"}, broken.definition)
    (problem,) = broken.check(step, definition)
    assert problem.startswith("step type 'odd' of package odd-steps: ")
    assert words in problem
    with pytest.raises(StepFailed, match="of package odd-steps"):
        broken.start(step, definition, carry.attempt(step))


def test_a_plan_that_uses_a_broken_kind_is_told_where(tmp_path, monkeypatch):
    package(tmp_path, "odd-steps", "odd_kind", "1 / 0", "odd = odd_kind:KIND")
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("odd_kind", None)
    text = "plan_id: p\nsteps:\n  - id: a\n    step_def: {type: odd, x: 1}\n"
    with pytest.raises(PlanError) as caught:
        loads(text, name="p.yaml", kinds=Registry(BUILT_IN))
    (problem,) = caught.value.problems
    assert problem.line == 4
    assert "of package odd-steps: loading odd_kind:KIND failed" in problem.message


def test_a_check_that_breaks_is_told_where(tmp_path, monkeypatch):
    source = GREET.replace("definition.who else", "definition.who.nonsense else")
    package(tmp_path, "odd-steps", "odd_check", source, "greet = odd_check:KIND")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "plan_id: p\nsteps:\n  - id: a\n    step_def: {type: greet, who: x}\n"
    with pytest.raises(PlanError) as caught:
        loads(text, name="p.yaml", kinds=Registry(BUILT_IN))
    assert str(caught.value) == (
        "p.yaml:4:15: steps[0].step_def: the check of kind 'greet' broke: "
        "AttributeError: 'str' object has no attribute 'nonsense'"
    )


def test_two_packages_that_claim_one_name(tmp_path, monkeypatch):
    package(tmp_path, "first", "first_kind", GREET, "greet = first_kind:KIND")
    package(tmp_path, "second", "second_kind", GREET, "greet = second_kind:KIND")
    monkeypatch.syspath_prepend(str(tmp_path))
    (problem,) = Registry({})["greet"].check(Step(id="s"), None)
    assert "of package first and second: declared more than once" in problem or (
        "of package second and first: declared more than once" in problem
    )


def test_built_in_names_cannot_be_taken_over(tmp_path, monkeypatch):
    package(tmp_path, "thief", "thief_kind", GREET, "command = thief_kind:KIND")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry(BUILT_IN)
    assert registry["command"] is kinds()["command"]
    assert list(registry).count("command") == 1
