"""`stoker run` and `stoker resume`, end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Until = Callable[[subprocess.Popen[str], str], str]


def test_a_plan_that_succeeds(project) -> None:
    plan = project.plan(
        {"id": "a", "run": "echo made-by-a", "provides": ["x"]},
        {"id": "b", "command": "true", "depends_on": ["a"]},
    )
    done = project.run("run", plan, "--run-id", "first")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].endswith("run first started: demo, 2 steps")
    assert " a succeeded in " in lines[1]
    assert " b succeeded in " in lines[2]
    assert lines[3].startswith("run first succeeded in ")
    assert lines[3].endswith(": 2 succeeded")
    assert len(lines) == 4
    assert (project.directory / ".stoker/.gitignore").read_text() == "*\n"
    log = project.directory / ".stoker/runs/first/logs/a.1.out"
    assert log.read_text() == "made-by-a\n"

    again = project.run("run", plan, "--run-id", "first")
    assert (again.returncode, again.stdout) == (2, "")
    assert "first exists already" in again.stderr
    over = project.run("resume", "fir")
    assert over.returncode == 0
    assert "run first is over, it succeeded" in over.stderr


def test_a_name_deceives_nobody(project) -> None:
    name = "a\u202eb\u200b"
    retried = {"retries": 1, "on_failure": "continue"}
    steps = [{"id": name, "run": "exit 3", **retried}, {"id": f"{name}2", "run": "x", **retried}]
    steps[1]["approval"] = {"timeout_sec": 0.01}
    plan = project.directory / "plan.json"
    plan.write_text(json.dumps({"plan_id": name, "steps": steps}))
    done = project.run("run", str(plan), "-v")
    assert done.returncode == 1
    assert done.stdout.isascii()
    assert r"a\u202eb\u200b failed in" in done.stdout


def test_a_plan_that_fails_shows_why(project) -> None:
    plan = project.plan(
        {"id": "bad", "run": r"echo out; printf 'told \033[31mso\n' >&2; exit 3"},
        {"id": "after", "run": "true", "depends_on": ["bad"]},
    )
    done = project.run("run", plan, "--run-id", "r")
    assert done.returncode == 1
    assert " bad failed in " in done.stdout
    assert ": exit code 3\n  | told so\n" in done.stdout
    assert "\x1b" not in done.stdout
    assert "run r failed in " in done.stdout
    assert "1 skipped" in done.stdout
    assert "stoker show r" in done.stdout

    quiet = project.run("run", plan, "--quiet")
    assert quiet.stdout.startswith("run ")
    assert "failed" in quiet.stdout.splitlines()[0]


def test_events_as_json_lines(project) -> None:
    plan = project.plan({"id": "a", "run": "true"})
    events = project.events("run", plan)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "run.created"
    assert events[-1]["type"] == "run.settled"
    assert events[-1]["data"] == {"status": "succeeded"}


def test_inputs_variables_and_stdin(project) -> None:
    document = {
        "plan_id": "given",
        "inputs": {"word": "none", "count": 1, "list": {"required": True}},
        "steps": [
            {
                "id": "a",
                "command": "echo",
                "args": ["${{ inputs.word }}", "${{ inputs.count }}", "${{ inputs.list }}", "${V}"],
            }
        ],
    }
    (project.directory / "inputs.yaml").write_text("word: from-file\nlist: [eu, us]\n")
    words = ("run", "-", "--inputs-file", "inputs.yaml", "--var", "V=v", "--run-id", "r")
    done = project.run(*words, "--input", "count:=7", stdin=json.dumps(document))
    assert done.returncode == 0, done.stderr
    log = project.directory / ".stoker/runs/r/logs/a.1.out"
    assert log.read_text() == "from-file 7 eu us v\n"

    text = json.dumps(document)
    bad = project.run("run", "-", stdin=text)
    assert bad.returncode == 2
    assert "the variable 'V' is not given" in bad.stderr
    bad = project.run("run", "-", "--var", "V=v", "--input", "wrod=x", stdin=text)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("stoker: 2 problems:\n")
    assert "did you mean 'word'?" in bad.stderr
    assert "inputs.list: required" in bad.stderr
    for wrong in (("--input", "word"), ("--input", "count:=[")):
        done = project.run("run", "-", "--var", "V=v", *wrong, stdin=json.dumps(document))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("stoker: --input")


def test_a_secret_from_the_environment_is_nowhere(project) -> None:
    plan = project.plan(
        {"id": "a", "run": 'echo "[$T]"; env', "env": {"T": "${{ inputs.api-token }}"}},
        inputs={"api-token": {"secret": True, "required": True}},
    )
    done = project.run("run", plan, STOKER_INPUT_API_TOKEN="hunter2-xyz")
    assert done.returncode == 0, done.stderr
    state = project.directory / ".stoker"
    log = next(state.glob("runs/*/logs/a.1.out")).read_text()
    assert log.startswith("[***]\n")
    assert "STOKER_INPUT_API_TOKEN" not in log
    for file in state.rglob("*"):
        assert not file.is_file() or b"hunter2-xyz" not in file.read_bytes(), file
    warned = project.run("run", plan, "--input", "api-token=hunter2-xyz")
    assert warned.returncode == 0
    assert "warning: the secret input 'api-token'" in warned.stderr


def test_bad_input_is_told_without_a_traceback(project) -> None:
    project.plan({"id": "a", "runn": "x"}, {"id": "b", "run": "x", "depends_on": ["c"]})
    done = project.run("run", "plan.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "plan.json:1:" in done.stderr
    assert "did you mean 'run'?" in done.stderr
    assert "unknown step 'c'" in done.stderr
    assert not (project.directory / ".stoker/journal.db").exists()
    project.plan({"id": "a", "run": "true"})
    for words, message in (
        (("run", "none.json"), "none.json: cannot be read: No such file"),
        (("resume", "x"), "there is no journal at"),
        (("run", "plan.json", "--run-id", "a/b"), "--run-id 'a/b'"),
        (("run", "plan.json", "--max-concurrency", "0"), "expected 1 or more, found 0"),
        (("frobnicate",), "unknown command 'frobnicate'"),
    ):
        done = project.run(*words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    (project.directory / "broken.db").write_text("no database, whatever its name")
    done = project.run("run", "plan.json", "--db", "broken.db")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_dry_run_touches_nothing(project) -> None:
    (project.directory / ".stoker").rmdir()
    (project.directory / ".git").mkdir()
    plan = project.plan(
        {"id": "a", "command": "make", "args": ["-j2", "${{ inputs.target }}"]},
        {"id": "b", "run": "rm -rf build", "depends_on": ["a"]},
        inputs={"target": "all things"},
    )
    done = project.run("run", plan, "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:4] == [
        "wave 1",
        "  a  make -j2 'all things'",
        "wave 2",
        "  b  rm -rf build",
    ]
    assert not (project.directory / ".stoker").exists()
    waves = json.loads(project.run("run", plan, "--dry-run", "--json").stdout)["waves"]
    assert waves[1] == [{"id": "b", "action": "rm -rf build"}]


def test_approval_parks_and_manual_waits_for_next(project) -> None:
    plan = project.plan({"id": "ship", "run": "true", "approval": {"prompt": "Really?"}})
    done = project.run("run", plan, "--run-id", "r")
    assert done.returncode == 3
    assert "ship waits for approval: Really?" in done.stdout
    assert done.stdout.splitlines()[-1].strip() == "Really?: stoker approve r ship"
    manual = project.plan(
        {"id": "a", "run": "true"}, {"id": "b", "run": "true", "depends_on": ["a"]}
    )
    done = project.run("run", manual, "--manual", "--run-id", "m")
    assert done.returncode == 3
    assert "release a: stoker next m\n" in done.stdout
    assert " a succeeded" not in done.stdout
    ambiguous = project.run("resume", "last")
    assert ambiguous.returncode == 3
    assert "run m waiting" in ambiguous.stdout


def test_ctrl_c_cancels_and_a_second_one_ends_at_once(project, until: Until) -> None:
    plan = project.plan({"id": "long", "run": "sleep 600"}, {"id": "after", "run": "true"})
    process = project.start("run", plan, "-v", "--run-id", "one")
    until(process, "long started")
    process.send_signal(signal.SIGINT)
    said = until(process, "run one canceled")
    assert "Ctrl-C again" in said
    assert process.wait() == 130

    mute = 'trap "" TERM; echo $$ > pid; while :; do sleep 600; done'
    stubborn = project.plan({"id": "long", "run": mute})
    os.mkfifo(project.directory / "pid")
    process = project.start("run", stubborn, "-v", "--run-id", "two")
    pid = int((project.directory / "pid").read_text())
    process.send_signal(signal.SIGINT)
    until(process, "Ctrl-C again")
    descriptor = os.pidfd_open(pid)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert _has_ended(descriptor)
    resumed = project.run("resume", "two")
    assert resumed.returncode == 130
    assert "run two canceled" in resumed.stdout


def test_sigterm_suspends_and_resume_goes_on(project, until: Until) -> None:
    (project.directory / "gate").write_text("")
    plan = project.plan(
        {"id": "first", "run": "echo ran >> first"},
        {"id": "second", "run": "test ! -e gate || sleep 600", "depends_on": ["first"]},
    )
    process = project.start("run", plan, "-v", "--run-id", "r")
    until(process, "second started")
    process.send_signal(signal.SIGTERM)
    assert "stoker resume r" in until(process, "go on with it:")
    assert process.wait() == 143
    (project.directory / "gate").unlink()
    done = project.run("resume", "r")
    assert done.returncode == 0, done.stdout
    assert "run r goes on: demo, 2 steps" in done.stdout
    assert "run r succeeded" in done.stdout
    assert (project.directory / "first").read_text() == "ran\n"


def test_detached_runs_go_on_alone(project) -> None:
    os.mkfifo(project.directory / "gate")
    plan = project.plan(
        {"id": "a", "run": 'cat gate; echo "[$T]"', "env": {"T": "${{ inputs.token }}"}},
        inputs={"token": {"secret": True}},
    )
    done = project.run("run", plan, "--detach", "--run-id", "d", STOKER_INPUT_TOKEN="hunter2-xyz")
    assert (done.returncode, done.stdout, done.stderr) == (0, "d\n", "")
    busy = project.run("resume", "d")
    assert busy.returncode == 2
    assert "run d is being run by process" in busy.stderr
    # The engine has a child that waits at the gate; both end once it opens.
    engine = _engine_of(project.directory)
    (project.directory / "gate").write_text("go\n")
    assert _has_ended(engine)
    logs = project.directory / ".stoker/runs/d"
    assert "run d succeeded" in (logs / "engine.log").read_text()
    assert (logs / "logs/a.1.out").read_text() == "go\n[***]\n"


def _engine_of(directory: Path) -> int:
    """A pidfd of the process that drives the project's one unfinished run."""
    import sqlite3

    with sqlite3.connect(directory / ".stoker/journal.db") as db:
        [(engine,)] = db.execute("SELECT engine FROM runs WHERE finished_at IS NULL").fetchall()
    return os.pidfd_open(json.loads(engine)["pid"])


def _has_ended(descriptor: int) -> bool:
    """Whether the process of a pidfd ends in time; closes the pidfd."""
    import select

    ready, _, _ = select.select([descriptor], [], [], 30)
    os.close(descriptor)
    return bool(ready)


def test_a_reader_that_goes_away_does_not_stop_the_run(project) -> None:
    plan = project.plan(*({"id": f"s{i}", "run": "true"} for i in range(60)))
    process = project.start("run", plan, "-v", "--run-id", "r", stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0
    over = project.run("resume", "r")
    assert "it succeeded" in over.stderr


def test_state_is_found_upwards_and_db_overrides(project) -> None:
    plan = project.plan({"id": "a", "run": "true"})
    below = project.directory / "deep/er"
    below.mkdir(parents=True)
    project.directory = below
    done = project.run("run", f"../../{plan}", "--run-id", "up")
    assert done.returncode == 0
    assert (below / "../../.stoker/journal.db").exists()
    assert not (below / ".stoker").exists()
    done = project.run("run", f"../../{plan}", "--db", "other/j.db", "--run-id", "o")
    assert done.returncode == 0
    assert (below / "other/j.db").exists()
    assert (below / "other/runs/o/logs").is_dir()
    assert not (below / "other/.gitignore").exists()
    done = project.run("resume", "o", STOKER_DB="other/j.db")
    assert "it succeeded" in done.stderr


@pytest.mark.parametrize(("secret", "warned"), [("ab ", True), ("abc", False), ("", False)])
def test_a_secret_too_short_to_be_masked_is_warned_of(project, secret, warned) -> None:
    plan = project.plan({"id": "a", "run": "true"}, inputs={"pin": {"secret": True}})
    done = project.run("run", plan, STOKER_INPUT_PIN=secret)
    assert done.returncode == 0
    said = "the secret input 'pin' has fewer than 3 characters and is not masked" in done.stderr
    assert said == warned
