"""A plan in prose, read by a model that a server on loopback plays."""

from __future__ import annotations

import asyncio
import json

import pytest
from model_server import ModelServer, Say

from stoker.cli.main import main
from stoker.roadmaps import detect, writing
from stoker.roadmaps.format import NotReadable
from stoker.roadmaps.formats.normalised import FORMAT, back, kept_at
from stoker.roadmaps.normalise import normalise, openai, schema

PLAN = """\
# Moving house

First we have to pack all the books, which my
sister has promised to help with.

## Later
Then ⏳ paint the kitchen walls white.
⏳ Cancel the old contract for gas
"""
TODOS = [
    # The model is off by a line, and a sign in the line knows better than it does.
    {"line": 2, "title": "Pack the books", "status": "done", "phase": ""},
    {"line": 7, "title": "Paint the kitchen walls", "status": "pending", "phase": "Later"},
    {"line": 8, "title": "Cancel the contract for gas", "status": "done", "phase": "Later"},
    {"line": 4, "title": "Ask the landlord for the deposit", "status": "pending", "phase": ""},
]


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    path = tmp_path / "MOVING.txt"
    path.write_text(PLAN)
    return path


@pytest.fixture
def server():
    with ModelServer(lambda talk: Say(json.dumps({"todos": TODOS})), by_schema=True) as server:
        yield server


def made(server, path):
    ask = openai("small", f"{server.url}/v1")
    return asyncio.run(normalise(detect.source_of(path), ask, "small"))


def test_each_todo_is_tied_to_the_line_that_says_it(plan, server):
    roadmap = made(server, plan)
    assert roadmap.title == "Moving house"
    assert [(task.title, task.line, task.status, task.section) for task in roadmap.tasks] == [
        ("Pack the books", 3, "done", None),
        ("Paint the kitchen walls", 7, "pending", "Later"),
        ("Cancel the contract for gas", 8, "pending", "Later"),
    ]
    assert [(one.code, one.line) for one in roadmap.problems] == [("not-in-source", 4)]
    (request,) = server.requests
    body = request.json
    assert request.headers["authorization"] == "Bearer sk-test"
    assert body["response_format"]["json_schema"]["schema"] == schema(12)
    assert "\n3| First we have to pack" in body["messages"][1]["content"]


def test_no_model_is_asked_twice_for_one_content(plan, server):
    first = made(server, plan)
    assert made(server, plan) == first
    assert len(server.requests) == 1
    # From then on it is a format like the others.
    assert detect.read(plan) == first
    assert detect.read(plan).format == "normalised"
    assert (plan.parent / ".executor/.gitignore").read_text() == "*\n"


def test_statuses_are_kept_beside_until_somebody_asks(plan, server):
    roadmap = made(server, plan)
    source = detect.source_of(plan)
    for task in roadmap.tasks:
        writing.apply(source.root, FORMAT.edits(source, roadmap, task, "done"))
    assert plan.read_text() == PLAN
    now = detect.read(plan)
    assert {task.status for task in now.tasks} == {"done"}
    assert writing.apply(source.root, back(source, now)) == (
        "MOVING.txt",
        source.relative(kept_at(source)),
    )
    assert plan.read_text() == PLAN.replace("⏳ Cancel", "✅ Cancel")
    # It holds for the new content.
    assert [(task.id, task.status) for task in detect.read(plan).tasks] == [
        (task.id, "done") for task in now.tasks
    ]
    assert back(source, detect.read(plan)) == []
    assert len(server.requests) == 1


def test_an_edited_plan_is_read_again_and_its_statuses_stay(plan, server):
    roadmap = made(server, plan)
    source = detect.source_of(plan)
    writing.apply(source.root, FORMAT.edits(source, roadmap, roadmap.tasks[1], "done"))
    plan.write_text("Preface.\n" + PLAN)
    with pytest.raises(NotReadable, match="expected its normal form, found that of an earlier"):
        FORMAT.read(source, detect.Reading())
    again = made(server, plan)
    assert len(server.requests) == 2
    assert [(task.line, task.status) for task in again.tasks] == [
        (4, "done"),
        (8, "done"),
        (9, "pending"),
    ]


def test_what_the_model_leaves_out_though_it_has_a_sign_is_there(plan, server):
    server.policy = lambda talk: Say('{"todos": []}')
    roadmap = made(server, plan)
    assert [task.line for task in roadmap.tasks] == [8]
    assert [one.code for one in roadmap.problems] == ["left-out"]


def test_long_plans_are_asked_about_in_parts(plan, server):
    plan.write_text("# T\n" + "".join(f"Build the part number {n}\n" for n in range(400)))

    def policy(talk):
        lines = talk.messages[-1].text.splitlines()
        numbers = [int(line.partition("|")[0]) for line in lines if "| Build" in line]
        found = [
            {"line": n, "title": f"Build the part number {n - 2}", "status": "pending", "phase": ""}
            for n in numbers
        ]
        return Say(json.dumps({"todos": found}))

    server.policy = policy
    roadmap = made(server, plan)
    assert len(server.requests) == 3
    assert [task.line for task in roadmap.tasks] == list(range(2, 402))


def test_answers_that_are_none_are_told(plan, server):
    server.policy = lambda talk: Say("I cannot do that")
    with pytest.raises(NotReadable, match=r"the model's answer is not by the schema: .*I cannot"):
        made(server, plan)
    assert len(server.requests) == 2
    assert not kept_at(detect.source_of(plan)).exists()


def test_the_folder_of_normal_forms_may_not_lead_outside(plan, server, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (plan.parent / ".executor").symlink_to(outside)
    with pytest.raises(NotReadable, match="leads outside"):
        made(server, plan)
    assert not list(outside.iterdir())


def test_by_the_command_line(plan, server, capfd):
    base = ["--base-url", f"{server.url}/v1"]
    assert main(["roadmap", "parse", "MOVING.txt", "--normalize-with-llm", *base]) == 2
    assert "needs --model or STOKER_NORMALIZE_MODEL" in capfd.readouterr().err
    words = ["roadmap", "parse", "MOVING.txt", "--normalize-with-llm", "--model", "small", *base]
    assert main([*words, "--json"]) == 0
    last = json.loads(capfd.readouterr().out)["tasks"][-1]
    assert main(["roadmap", "sync", "MOVING.txt", last["id"]]) == 0
    assert plan.read_text() == PLAN
    assert main(["roadmap", "sync", "MOVING.txt", "--into-source", "--dry-run"]) == 0
    assert "+✅ Cancel the old contract" in capfd.readouterr().out
    assert plan.read_text() == PLAN
    assert main(["roadmap", "sync", "MOVING.txt", "--into-source"]) == 0
    assert "✅ Cancel" in plan.read_text()
    assert main(["roadmap", "sync", "MOVING.txt"]) == 2
    assert "name those to give a status" in capfd.readouterr().err
