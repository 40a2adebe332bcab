"""What goes wrong in a step stays in that step: the engine neither hangs nor dies of it."""

from __future__ import annotations

import pytest
from real import carry_out, plan_of

from stoker.engine.kinds import ProcessWork
from stoker.steps.kind import BaseKind, Definition


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rm -f $STOKER_OUTPUT; mkdir $STOKER_OUTPUT", "STOKER_OUTPUT"),
        ("rm -f $STOKER_OUTPUT; mkfifo $STOKER_OUTPUT", "STOKER_OUTPUT"),
        ("ln -s /etc/passwd $STOKER_OUTPUT", "STOKER_OUTPUT"),
        ("""python3 -c 'print("{\\"a\\":" + "[" * 100000)' > $STOKER_OUTPUT""", "STOKER_OUTPUT"),
        ("""printf '{"a": "\\377"}' > $STOKER_OUTPUT""", "STOKER_OUTPUT"),
        ("mkdir $STOKER_EXTEND", "STOKER_EXTEND"),
        ("mkfifo $STOKER_EXTEND", "STOKER_EXTEND"),
        ("ln -s /etc/passwd $STOKER_EXTEND", "STOKER_EXTEND"),
        ("""printf '{"steps": [\\377' > $STOKER_EXTEND""", "STOKER_EXTEND"),
        ("printf -- '- {id: \"\\377\", run: x}' > $STOKER_EXTEND", "byte 8 is not UTF-8"),
        (
            "echo '- {id: x, run: x}' > $STOKER_EXTEND; truncate -s 17M f; tr '\\0' '\\n' < f "
            ">> $STOKER_EXTEND",
            "$STOKER_EXTEND has more than 16777216 bytes",
        ),
    ],
)
def test_output_files_that_are_none_fail_the_step(tmp_path, line, message):
    ran = carry_out(
        tmp_path,
        plan_of(
            {"id": "bad", "run": line, "on_failure": "continue", "critical": False},
            {"id": "good", "command": "true", "depends_on": ["bad"]},
        ),
    )
    assert ran.statuses == {"bad": "failed", "good": "succeeded"}
    assert message in ran.reasons["bad"]
    assert ran.problems == []


def test_any_text_a_step_puts_out_can_be_journaled(tmp_path):
    failing = {"on_failure": "continue", "critical": False}
    half = r"""printf '{"a": "\\ud800"}' > $STOKER_OUTPUT"""
    ran = carry_out(
        tmp_path,
        plan_of(
            {"id": "half a character", "run": half, **failing},
            {"id": "no number", "run": """printf '{"a": 1e999}' > $STOKER_OUTPUT""", **failing},
            {"id": "bytes", "run": r"""printf 'a=\377\000\033\n' > $STOKER_OUTPUT"""},
        ),
    )
    assert ran.outcome.status == "succeeded"
    assert ran.statuses == {
        "half a character": "failed",
        "no number": "failed",
        "bytes": "succeeded",
    }
    assert ran.problems == []


def test_a_large_output_that_has_nowhere_to_go_fails_the_step(tmp_path):
    line = "echo x > $(dirname $STOKER_OUTPUT)/../artefacts; "
    line += "(printf big=; head -c 200000 /dev/zero | tr '\\0' x) > $STOKER_OUTPUT"
    ran = carry_out(tmp_path, plan_of({"id": "a", "run": line}))
    assert ran.statuses == {"a": "failed"}
    assert "artefacts" in ran.reasons["a"]


def test_work_that_is_stopped_in_the_tick_it_was_started_in_ends(tmp_path):
    waits = {"type": "http", "url": "http://127.0.0.1:9/", "method": "GET"}
    ran = carry_out(
        tmp_path,
        plan_of({"id": "a", "step_def": waits}, {"id": "b", "command": "no-such-program"}),
    )
    assert ran.statuses == {"a": "canceled", "b": "failed"}


class Broken(BaseKind[Definition]):
    """A third party's kind with a fault of its own."""

    definition = Definition

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self, step, definition, attempt):
        if self.name == "start":
            raise ValueError("my fault")
        if self.name == "nothing":
            return None
        return ProcessWork(spec=attempt.process(["true"]), result=lambda end: 1 / 0)


@pytest.mark.parametrize("how", ["start", "result", "nothing"])
def test_a_kind_that_breaks_fails_its_step(tmp_path, how):
    ran = carry_out(
        tmp_path,
        plan_of(
            {"id": "bad", "step_def": {"type": how}, "on_failure": "continue", "critical": False},
            {"id": "good", "command": "true", "depends_on": ["bad"]},
        ),
        more_kinds={how: Broken(how)},
    )
    assert ran.statuses == {"bad": "failed", "good": "succeeded"}
    assert ran.reasons["bad"]


def test_a_log_directory_that_vanishes_fails_what_needs_it(tmp_path):
    ran = carry_out(
        tmp_path,
        plan_of(
            {"id": "a", "run": "rm -rf runs/$STOKER_RUN_ID"},
            {"id": "b", "command": "true", "depends_on": ["a"], "on_failure": "continue"},
            {"id": "c", "command": "true", "depends_on": ["b"]},
        ),
    )
    assert ran.statuses == {"a": "succeeded", "b": "failed", "c": "failed"}
    assert "b.1.out cannot be written: No such file or directory" in ran.reasons["b"]
    assert ran.problems == []
