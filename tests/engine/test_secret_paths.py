"""Every way out that a secret could take: outputs, files, messages, logs, nested plans."""

import asyncio
import json
import logging
import os
from pathlib import Path

import pytest

from stoker.engine import outputs
from stoker.engine.kinds import ProcessWork, Result, StepFailed
from stoker.log import JsonFormatter, KeyValueFormatter
from stoker.plan.model import Input, Plan, Step
from stoker.steps.kind import BaseKind, Definition

SECRET = "hunter2-secret-of-some-length-that-messages-would-rather-cut-than-show"
HIDDEN = {"t": Input(secret=True)}


def holding(directory: Path, text: str = SECRET) -> list[Path]:
    """The files that hold a text."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return [path for path in files if text.encode() in path.read_bytes()]


@pytest.fixture
def carry_out(drive, options):
    """`carry_out(step, ..., given=SECRET)`: the ended run, and all its events as text."""

    def run(*steps, given=SECRET, more_kinds=(), **fields):
        plan = Plan(plan_id="p", inputs=HIDDEN, steps=steps, **fields)

        async def scenario(engine, journal):
            run = await engine.start(plan, inputs={"t": given}, options=options)
            await run.wait()
            return run, repr(await journal.events(run.run_id))

        return drive(scenario, more_kinds)

    return run


# Outputs: names stay, values and the keys in them are masked.


def written(text: str, **fields) -> Step:
    text = text.replace(SECRET, "${{ inputs.t }}")
    return Step(id="a", run=f"cat > $STOKER_OUTPUT <<'EOT'\n{text}\nEOT\n", **fields)


@pytest.mark.parametrize(
    "text", ["token=the token", '{"token": "the token"}', "token<<E\ntoken\nE"]
)
def test_a_secret_that_is_an_outputs_name_does_not_rename_it(carry_out, text):
    run, _ = carry_out(written(text, provides=("token",)), given="token")
    assert run.state.status == "succeeded"
    assert list(run.state["a"].outputs) == ["token"]
    assert "token" not in run.state["a"].outputs["token"]


class Telling(BaseKind):
    """Puts out what it was made with."""

    name = "telling"
    definition = Definition

    def __init__(self, value):
        self.value = value

    def start(self, step, definition, attempt):
        return ProcessWork(
            spec=attempt.process(["true"]), result=lambda end: Result(outputs={"token": self.value})
        )


def test_a_secret_that_is_the_name_of_a_kinds_output_does_not_rename_it(carry_out):
    told = Telling(Input(default="my token"))  # a Struct, as any kind may put out
    step = Step(id="a", step_def={"type": "telling"})
    run, events = carry_out(step, given="token", more_kinds=[told])
    assert run.state["a"].outputs == {"token": {"default": "my ***"}}
    assert "my token" not in events


def test_keys_within_an_outputs_value_are_data(carry_out, state):
    run, _ = carry_out(written(json.dumps({"users": {SECRET: 1, "other": 2}})))
    assert run.state["a"].outputs == {"users": {"***": 1, "other": 2}}
    assert holding(state) == []


def test_a_number_can_be_a_secret(carry_out):
    run, events = carry_out(written('{"pin": 86420, "n": [186420, 5]}'), given="86420")
    assert run.state["a"].outputs == {"pin": "***", "n": ["1***", 5]}
    assert "86420" not in events


def test_what_is_no_output_is_told_without_the_secret(carry_out, state):
    run, events = carry_out(written(f"{'x' * 40} {SECRET}"))
    assert "expected name=value, found 'xxx" in run.state["a"].reason
    assert SECRET[:10] not in events
    assert holding(state, SECRET[:10]) == []
    with pytest.raises(outputs.OutputError, match=r"'x\*\*\*' is not a name"):
        outputs.parse(b"x hunter2=1", lambda text: text.replace(" hunter2", "***"))


def test_an_artefact_of_a_nested_plan_is_found_whatever_is_secret(carry_out, tmp_path):
    step = {"id": "i", "run": "printf 'y=%070000d' 7 > $STOKER_OUTPUT", "provides": ["y"]}
    (tmp_path / "inner.json").write_text(json.dumps({"plan_id": "inner", "steps": [step]}))
    run, _ = carry_out(
        Step(id="outer", step_def={"type": "plan", "path": "inner.json"}, provides=("y",)),
        Step(id="use", run="wc -c < $STOKER_INPUT_Y_FILE", consumes=("y",)),
        given="artefacts",
    )
    assert run.state.status == "succeeded"
    assert run.state["outer"].outputs["y"]["bytes"] == 70000


def test_every_part_of_a_secret_map_is_secret(carry_out, state):
    part = "${{ inputs.t.users[0].password }}"
    run, _ = carry_out(
        Step(id="a", run=f"echo {part}; echo v={part} > $STOKER_OUTPUT"),
        given={"users": [{"name": "me", "password": SECRET}], "pin": 86420},
    )
    assert run.state["a"].outputs == {"v": "***"}
    assert holding(state) == []


# Messages.


def test_a_message_that_was_cut_shows_no_beginning_of_a_secret(carry_out):
    run, events = carry_out(Step(id="a", run="true", condition="inputs.t > 3"))
    assert run.state["a"].status == "failed"
    assert "***…" in run.state["a"].reason
    assert SECRET[:10] not in events


def test_an_extension_with_a_fault_shows_no_beginning_of_a_secret(carry_out):
    steps = [{"id": "b", "run": "true", "depends_on": [SECRET]}]
    text = f"echo '{json.dumps(steps)}' > $STOKER_EXTEND"
    run, events = carry_out(Step(id="a", run=text.replace(SECRET, "${{ inputs.t }}")))
    assert run.state["a"].status == "failed"
    assert SECRET[:10] not in events.partition("attempt.settled")[2]


@pytest.mark.parametrize(
    "more",
    [
        {"env": {SECRET: "x"}},
        {"step_def": {"type": "http", "url": "http://127.0.0.1", "headers": {SECRET: "x"}}},
        {"foreach": [{SECRET: 1}], "run": "true"},
    ],
)
def test_an_extension_with_a_secret_among_its_keys_is_refused(carry_out, state, more):
    steps = json.dumps([{"id": "b", **({} if "step_def" in more else {"run": "true"}), **more}])
    text = f"echo '{steps}' > $STOKER_EXTEND"
    run, _ = carry_out(Step(id="a", run=text.replace(SECRET, "${{ inputs.t }}")))
    assert "would put a secret into the journal" in run.state["a"].reason
    assert holding(state) == []


class Broken(BaseKind):
    """A third party's kind whose faults tell all."""

    name = "broken"
    definition = Definition

    def __init__(self, where):
        self.where = where

    def start(self, step, definition, attempt):
        token = attempt.env["TOKEN"]

        def fail(*_):
            raise ValueError(f"no access with {token}")

        async def work():
            fail()

        if self.where == "start":
            fail()
        if self.where == "work":
            return work()
        return ProcessWork(spec=attempt.process(["true"]), result=fail)


@pytest.mark.parametrize("where", ["start", "work", "result"])
def test_tracebacks_in_our_log_hold_no_secret(carry_out, state, where):
    lines = []

    class Listening(logging.Handler):
        def emit(self, record):
            assert record.exc_info is None  # it would reach any handler as it is
            lines.extend((KeyValueFormatter().format(record), JsonFormatter().format(record)))

    logger, handler = logging.getLogger("stoker"), Listening()
    level = logger.level
    logger.setLevel(logging.ERROR)  # a command line run here before may have raised it
    logger.addHandler(handler)
    try:
        step = Step(id="a", step_def={"type": "broken"}, env={"TOKEN": "${{ inputs.t }}"})
        run, _ = carry_out(step, more_kinds=[Broken(where)])
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    plain, as_json = lines
    assert "\nTraceback (most recent call last):\n" in plain
    assert "ValueError: no access with ***" in plain
    assert "ValueError: no access with ***" in json.loads(as_json)["exception"]
    assert SECRET not in plain + as_json
    assert run.state["a"].reason == "kind 'broken' broke: ValueError: no access with ***"
    assert holding(state) == []


# Nested plans.


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"variables": {"TOKEN": "Bearer ${{ inputs.t }}"}}, "variables.TOKEN"),
        ({"cwd": "./${{ inputs.t }}/.."}, "cwd"),
    ],
)
def test_a_secret_is_not_made_part_of_a_nested_plan(carry_out, tmp_path, state, more, place):
    (tmp_path / SECRET).mkdir()
    inner = {"plan_id": "inner", "steps": [{"id": "s", "run": "echo ${TOKEN}"}]}
    (tmp_path / "inner.json").write_text(json.dumps(inner))
    cwd = more.pop("cwd", None)
    step = Step(id="x", step_def={"type": "plan", "path": "inner.json", **more}, cwd=cwd)
    run, _ = carry_out(step)
    assert f"step 'x': {place} holds a secret" in run.state["x"].reason
    assert "`secret: true`" in run.state["x"].reason
    assert holding(state) == []


# Files of attempts that were cut short.


@pytest.mark.parametrize("file", ["OUTPUT", "EXTEND"])
def test_closing_the_engine_masks_what_steps_had_written(drive, options, tmp_path, state, file):
    os.mkfifo(tmp_path / "begun")
    script = f"echo v=${{{{ inputs.t }}}} > $STOKER_{file}; echo > begun; sleep 60"
    plan = Plan(plan_id="p", inputs=HIDDEN, steps=(Step(id="a", run=script),))

    async def scenario(engine, journal):
        await engine.start(plan, inputs={"t": SECRET}, options=options, run_id="r")
        await asyncio.to_thread((tmp_path / "begun").read_bytes)
        assert holding(state) != []

    drive(scenario)
    assert holding(state) == []
    written = state / "runs/r/outputs/a.1"
    assert (written if file == "OUTPUT" else Path(f"{written}.extend")).read_text() == "v=***\n"


def test_error_records_beside_the_logs_are_masked(carry_out, state):
    """As the kind `powershell` has them."""

    class Recording(BaseKind):
        name = "recording"
        definition = Definition

        def start(self, step, definition, attempt):
            errors = Path(attempt.stderr_path).with_suffix(".errors")
            errors.write_text(json.dumps({"message": f"no access with {attempt.env['TOKEN']}"}))

            def result(end):
                raise StepFailed(json.loads(errors.read_text())["message"])

            return ProcessWork(spec=attempt.process(["true"]), result=result)

    step = Step(id="a", step_def={"type": "recording"}, env={"TOKEN": "${{ inputs.t }}"})
    run, _ = carry_out(step, more_kinds=[Recording()])
    assert run.state["a"].reason == "no access with ***"
    assert holding(state) == []
    assert len(holding(state, "no access with ***")) >= 1
