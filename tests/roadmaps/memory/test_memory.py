"""What is remembered: of an agent's stream, of a run, of a project; and what failures taught."""

from __future__ import annotations

import argparse
import asyncio
import json
import os

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.cli import roadmap_memory
from stoker.cli.context import Context, UsageError
from stoker.cli.output import Output
from stoker.roadmaps.document import Task
from stoker.roadmaps.evidence import Fault
from stoker.roadmaps.memory import project
from stoker.roadmaps.memory.learning import advice, signature
from stoker.roadmaps.memory.outcome import Outcome, decisions, shortened
from stoker.roadmaps.memory.project import ProjectMemory, remember

FAULT = Fault(category="import_error", message="No module named 'shop.tax' at src/a.py:3")


def _try(number: int, verdict: str, task: str = "1", **more) -> Outcome:
    return Outcome(
        task=task, title="Add the tax", attempt=number, verdict=verdict, at=float(number), **more
    )


TRIES = (
    _try(1, "failed", faults=(FAULT,), files=("src/a.py",), tokens=10),
    _try(
        2,
        "verified",
        files=("src/shop/tax.py",),
        summary="Made the module.",
        tokens=5,
        decisions=("Money is always in cents because floats drift.",),
    ),
    _try(3, "verified", task="2", files=("src/shop/tax.py", "src/b.py"), tokens=7),
)


def test_an_agents_last_message_tells_its_decisions():
    told = "Looking.\n- I chose a set instead of a list.\n```\nbecause = 1\n```\nFine."
    assert decisions(told) == ("I chose a set instead of a list.",)
    many = "\n".join(f"I chose {number}." for number in (*range(20), 3))
    assert len(decisions(many)) == 8
    assert decisions(many)[-1] == "I chose 3."
    assert decisions("") == ()


def test_a_project_remembers_files_rules_history_and_lessons():
    found = remember(ProjectMemory(), "run", TRIES)
    assert [(one.path, one.tasks, one.last) for one in found.key_files] == [
        ("src/shop/tax.py", 2, "2"),
        ("src/b.py", 1, "2"),
    ]
    assert found.conventions == ("Money is always in cents because floats drift.",)
    assert [one.status for one in found.history] == ["failed", "verified", "verified"]
    (lesson,) = found.lessons
    assert (lesson.seen, lesson.resolved, lesson.resolution) == (1, 1, "Made the module.")
    assert lesson.files == ("src/shop/tax.py",)
    assert {one.kind: (one.tries, one.verified, one.tokens) for one in found.patterns} == {
        "add .py": (3, 2, 22)
    }


@given(st.lists(st.integers(0, 3), max_size=6))
def test_a_run_is_remembered_once_however_often_it_is_told(cuts):
    memory = ProjectMemory()
    for cut in sorted(cuts):
        memory = remember(memory, "run", TRIES[:cut])
    assert remember(memory, "run", TRIES) == remember(ProjectMemory(), "run", TRIES)


def test_it_is_bounded():
    memory = ProjectMemory()
    for number in range(60):
        tries = [
            _try(
                n,
                "verified",
                task=f"{number}.{n}",
                files=(f"f{number}.{n}.py",),
                decisions=(f"Always {number} {n}.",),
                faults=(Fault(category="timeout", message="x" * n),),
            )
            for n in range(10)
        ]
        memory = remember(memory, f"run{number}", tries)
    assert len(memory.key_files) == len(memory.runs) == 50
    assert (len(memory.conventions), len(memory.history)) == (30, 200)
    assert memory.history[-1].task == "59.9"


def test_failures_that_differ_in_names_and_numbers_are_one():
    other = Fault(category="import_error", message="No module named 'b.c' at lib/x/y.py:77\nmore")
    assert signature(other) == signature(FAULT)
    assert signature(msgspec.structs.replace(FAULT, category="timeout")) != signature(FAULT)


def test_what_was_learned_comes_back_for_the_same_failure_and_kind_of_task():
    memory = remember(ProjectMemory(), "run", TRIES)
    task = Task(id="9", title="Add a discount", line=1, column=1, files=("src/c.py",))
    first, second = advice(memory.lessons, memory.patterns, task, [FAULT])
    assert "Made the module." in first
    assert second.startswith("Of 3 tries at tasks like this one 2 held")
    unlike = Task(id="9", title="Remove it", line=1, column=1)
    assert advice(memory.lessons, memory.patterns, unlike, []) == []


def test_it_is_written_read_and_cleared(tmp_path):
    memory = remember(ProjectMemory(), "run", TRIES)
    assert project.read(tmp_path) == ProjectMemory()
    assert not project.clear(tmp_path)
    project.write(tmp_path, memory)
    assert project.read(tmp_path) == memory
    assert (tmp_path / ".executor/.gitignore").read_text() == "*\n"
    assert sorted(os.listdir(tmp_path / ".executor")) == [".gitignore", "project-memory.json"]
    assert project.clear(tmp_path)
    assert project.read(tmp_path) == ProjectMemory()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "expected a project's memory"),
        (b'{"version": 9}', "version 9 is newer"),
        (b'{"key_files": 1}', "key_files"),
    ],
)
def test_a_memory_that_is_none_is_named(tmp_path, content, told):
    file = tmp_path / project.FILE
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(project.Unreadable, match=told) as caught:
        project.read(tmp_path)
    assert str(file) in str(caught.value)


def test_a_link_in_its_place_is_not_followed(tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    root = tmp_path / "root"
    (root / ".executor").mkdir(parents=True)
    (root / project.FILE).symlink_to(secret)
    with pytest.raises(project.Unreadable, match="symbolic link"):
        project.read(root)
    project.write(root, ProjectMemory())
    assert secret.read_text() == "{}"
    (root / "elsewhere").mkdir()
    (root / ".executor").rename(root / "old")
    (root / ".executor").symlink_to(root / "elsewhere")
    with pytest.raises(NotADirectoryError):
        project.write(root, ProjectMemory())
    with pytest.raises(project.Unreadable, match="symbolic link"):
        project.read(root)
    (root / "elsewhere/project-memory.json").write_text("{}")
    with pytest.raises(NotADirectoryError):
        project.clear(root)
    assert os.listdir(root / "elsewhere") == ["project-memory.json"]


def test_a_pipe_in_its_place_stops_nobody(tmp_path):
    file = tmp_path / project.FILE
    file.parent.mkdir()
    os.mkfifo(file)
    with pytest.raises(project.Unreadable, match="something else"):
        project.read(tmp_path)


@given(st.text(), st.integers(5, 40))
def test_shortened_is_short(text, limit):
    found = shortened(text, limit)
    assert len(found) <= limit
    assert found == text.strip() or found.endswith(" ...")


def test_the_command_shows_and_forgets(tmp_path, capfd):
    (tmp_path / ".git").mkdir()
    below = tmp_path / "below"
    below.mkdir()
    project.write(tmp_path, remember(ProjectMemory(), "run", TRIES))

    def run(*words: str) -> str:
        parser = argparse.ArgumentParser()
        roadmap_memory.register(parser)
        output = Output(environment={})
        context = Context(output, cwd=below, environment={})
        assert asyncio.run(roadmap_memory.run(parser.parse_args(words), context)) == 0
        output.flush()
        return capfd.readouterr().out

    shown = run()
    assert "src/shop/tax.py (by 2 tasks)" in shown
    assert "(seen 1, resolved 1) Made the module." in shown
    assert json.loads(run("show", "--json"))["history"][0]["task"] == "1"
    assert "forgot" in run("clear")
    assert run() == "nothing is remembered of this project\n"
    assert run("clear") == "nothing was remembered\n"
    with pytest.raises(UsageError, match="leave --run out"):
        run("clear", "--run", "last")
    (tmp_path / project.FILE).write_text("{")
    with pytest.raises(UsageError, match="memory clear"):
        run()
