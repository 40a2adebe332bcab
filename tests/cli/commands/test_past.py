"""Runs that are over: shown, measured, run again, forgotten."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jsonschema

DOCS = Path(__file__).parents[3] / "docs/reference/show.md"


def counted(stoker, step_id, *depends_on, tail="", **fields):
    """A step that leaves a line in `ran` each time it runs."""
    run = f"echo {step_id} >> {stoker.path}/ran{tail}"
    return {"id": step_id, "run": run, "depends_on": list(depends_on), **fields}


def ran(stoker):
    """Ids of the steps that ran since the last call, sorted."""
    file = stoker.path / "ran"
    lines = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return sorted(lines)


def test_a_rerun_reuses_what_succeeded(stoker):
    one, two, three = f"{stoker.run_id}-1", f"{stoker.run_id}-2", f"{stoker.run_id}-3"
    flag = stoker.path / "mended"
    big = "; head -c 100000 /dev/zero | tr '\\0' x | sed 's/^/big=/' > $STOKER_OUTPUT"
    stoker.plan(
        counted(stoker, "fetch", tail=big, provides=["big"]),
        counted(stoker, "other"),
        counted(stoker, "parts", "fetch", foreach=["x", "y"]),
        counted(stoker, "build", "parts", tail=f"; test -e {flag}", consumes=["big"]),
        {
            "id": "check",
            "run": f"echo check >> {stoker.path}/ran; wc -c < $STOKER_INPUT_BIG_FILE",
            "depends_on": ["build"],
            "consumes": ["big"],
        },
        globals={"env": {"N": "${{ inputs.n }}"}},
        inputs={"n": 1},
    )
    stoker("run", "plan.json", "--run-id", one, "--input", "n=7", status=1)
    assert ran(stoker) == ["build", "fetch", "other", "parts", "parts"]
    flag.touch()
    assert "reusing 3 of 5 steps" in stoker("rerun", one, "--failed", "--run-id", two).stderr
    assert ran(stoker) == ["build", "check"]
    document = stoker.show(two)
    assert document["inputs"] == {"n": 7}
    fetch = document["steps"][0]
    assert (fetch["reason"], fetch["attempts"]) == ("reused", [])
    assert Path(fetch["outputs"]["big"]["$file"]).is_relative_to(stoker.path / ".stoker/runs" / two)
    assert f"no step of run {two} failed" in stoker("rerun", two, "--failed", status=2).stderr
    assert "give --from STEP" in stoker("rerun", two, status=2).stderr
    assert "did you mean 'fetch'" in stoker("rerun", two, "--from", "fetsch", status=2).stderr

    # The run that made the output is gone; the output is not.
    stoker("gc", "--keep", "1")
    assert not (stoker.path / ".stoker/runs" / one).exists()
    stoker("rerun", two, "--from", "check", "--run-id", three)
    assert ran(stoker) == ["check"]
    assert stoker("logs", three, "check").stdout.strip() == "100000"
    stoker("rerun", three, "--from", "parts", "other", "-q")
    assert ran(stoker) == ["build", "check", "other", "parts", "parts"]


def test_a_rerun_takes_over_the_children_that_succeeded(stoker):
    one, two = f"{stoker.run_id}-1", f"{stoker.run_id}-2"
    tail = f"; echo made=$ITEM > $STOKER_OUTPUT; test $ITEM != b -o -e {stoker.path}/mended"
    each = counted(stoker, "each", tail=tail, foreach=["a", "b", "c"], provides=["made"])
    each |= {"env": {"ITEM": "${{ item }}"}, "on_failure": "skip_dependents"}
    use = {"id": "use", "run": "echo $STOKER_INPUT_MADE", "consumes": ["made"]}
    stoker.plan(each, use, globals={"env": {"N": "${{ inputs.n }}"}}, inputs={"n": 1})
    stoker("run", "plan.json", "--run-id", one, status=1)
    assert ran(stoker) == ["each"] * 3
    (stoker.path / "mended").touch()
    again = stoker("rerun", one, "--failed", "--run-id", two)
    assert "reusing 2 of 5 steps" in again.stderr
    assert ran(stoker) == ["each"]
    assert stoker("logs", two, "use").stdout == '["a","b","c"]\n'
    steps = {step["id"]: step for step in stoker.show(two)["steps"]}
    assert (steps["each[a]"]["reason"], steps["each[a]"]["parent"]) == ("reused", "each")
    assert steps["each"]["outputs"] == {"made": ["a", "b", "c"]}
    stoker("rerun", two, "--from", "each[c]", "-q")
    assert ran(stoker) == ["each"]
    stoker("rerun", two, "--from", "each", "-q")
    assert ran(stoker) == ["each"] * 3
    stoker("rerun", two, "--from", "each[c]", "-q", "--input", "n=2")  # other inputs, other items
    assert ran(stoker) == ["each"] * 3


def test_show_is_documented_and_matches_its_schema(stoker):
    past = f"{stoker.run_id}-1"
    stoker.plan(
        {"id": "fine", "run": "echo out; echo x=1 > $STOKER_OUTPUT", "provides": ["x"]},
        {"id": "skipped", "run": "true", "condition": "prev.fine.status == 'failed'"},
        {
            "id": "broken",
            "run": "seq 30 | sed 's/^/line /' >&2; printf 'last \\033[31mred\\n' >&2; exit 4",
            "on_failure": "skip_dependents",
            "retries": 1,
        },
        {"id": "after", "run": "true", "depends_on": ["broken"]},
    )
    stoker("run", "plan.json", "--run-id", past, status=1)
    document = stoker.show(past)
    schema = json.loads(stoker("show", "--schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    fields = {name for part in schema["$defs"].values() for name in part["properties"]}
    missing = [name for name in fields if f"`{name}`" not in DOCS.read_text()]
    assert not missing
    fine, skipped, broken, after = document["steps"]
    assert (document["status"], document["format"]) == ("failed", 1)
    assert fine["outputs"] == {"x": "1"}
    assert "condition" in skipped["skip_reason"]
    assert [attempt["number"] for attempt in broken["attempts"]] == [1, 2]
    assert broken["attempts"][0]["exit_code"] == 4
    assert after["skip_reason"] == "'broken' failed"
    one = stoker("show", past, "--step", "broken", "--json").stdout
    assert json.loads(one) == broken

    text = stoker("show", past).stdout
    assert "| last red" in text  # without its escape sequence
    assert "| line 22\n" in text
    assert "| line 21\n" not in text
    assert f"stoker rerun {past} --failed" in text
    assert "attempt 2: failed, exit code 4" in stoker("show", past, "--step", "broken").stdout
    assert "did you mean 'fine'" in stoker("show", past, "--step", "fin", status=2).stderr
    both = stoker("logs", past, "broken", "--tail", "2")
    assert both.stdout == ""
    assert both.stderr == "line 30\nlast \x1b[31mred\n"
    assert stoker("logs", past, "broken", "--stderr", "--tail", "1").stdout == "last \x1b[31mred\n"
    assert stoker("logs", past).stdout == "fine | out\n"
    assert "fine | " in stoker("logs", past, "-f").stdout
    assert "no run 'nope'" in stoker("show", "nope", status=2).stderr


def test_times_are_measured_and_drawn(stoker):
    odd = 'b <&> "q"'
    stoker.plan({"id": "a", "run": "sleep 0.05"}, {"id": odd, "run": "true", "depends_on": ["a"]})
    for _ in range(2):
        stoker("run", "plan.json", "-q")
    assert "no run of plan" in stoker("stats", "--plan", "nope", status=2).stderr
    stats = json.loads(stoker("stats", "--json", "--gantt", "run.svg").stdout)
    assert [step["id"] for step in stats["run"]["critical_path"]] == ["a", odd]
    assert stats["plan"]["runs"] == 2
    assert stats["plan"]["steps"][0]["id"] == "a"
    assert stats["plan"]["steps"][0]["duration"]["count"] == 2
    picture = ElementTree.fromstring((stoker.path / "run.svg").read_text())
    texts = {element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"a", odd} <= texts
    text = stoker("stats", "last").stdout
    assert "critical path" in text
    assert "last 2 finished runs: 2 succeeded" in text
    assert "plan test" in stoker("stats", "--plan", "test").stdout


def test_gc_forgets_what_is_over_and_nothing_else(stoker):
    asks, one, two, three = (f"{stoker.run_id}-{number}" for number in range(4))
    runs = stoker.path / ".stoker/runs"
    stoker.plan({"id": "ask", "step_def": {"type": "approval"}})
    stoker("run", "plan.json", "--run-id", asks, status=3)
    stoker.plan({"id": "a", "run": "echo a"})
    for name in (one, two, three):
        stoker("run", "plan.json", "--run-id", name, "-q")
    stray, fresh = runs / "stray/logs", runs / "fresh"
    stray.mkdir(parents=True)
    fresh.mkdir()
    for directory in (stray.parent, fresh):
        (directory / "journal").symlink_to("../../journal.db")
    os.utime(stray.parent, (0, 0))
    would = json.loads(stoker("gc", "--keep", "1", "--dry-run", "--json").stdout)
    assert would["runs"] == [one, two]
    assert would["orphans"] == ["stray"]
    assert len(list(runs.iterdir())) == 6
    assert "deleted 0 runs" in stoker("gc", "--older-than", "1h", "--keep", "0").stdout
    assert not stray.exists()
    assert f"deleted run {one}\ndeleted run {two}" in stoker("gc", "--keep", "1").stdout
    assert sorted(path.name for path in runs.iterdir()) == ["fresh", asks, three]
    listed = json.loads(stoker("list", "--json").stdout)
    assert [row["run_id"] for row in listed] == [three, asks]
    assert [row["activity"] for row in listed] == ["over", "parked"]
    assert "expected a number" in stoker("gc", "--older-than", "soon", status=2).stderr


def test_gc_leaves_the_runs_of_other_journals_alone(stoker, postgres_url):
    stoker.plan({"id": "a", "run": "echo a"})
    runs = stoker.path / ".stoker/runs"
    journals = ((), ("--db", postgres_url), ("--db", ".stoker/other.db"))
    for number, options in enumerate(journals):
        name = f"{stoker.run_id}-{number}"
        stoker("run", "plan.json", "--run-id", name, "-q", *options)
        os.utime(runs / name, (0, 0))
        for mine in journals[: number + 1]:
            assert json.loads(stoker("gc", "--json", *mine).stdout)["orphans"] == []
    assert len(list(runs.iterdir())) == 3
