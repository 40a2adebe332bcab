"""What must stay secret, and what a step may not claim: files, the journal, nested runs."""

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from stoker.engine import outputs
from stoker.engine.attempt import Files, consumed_env
from stoker.engine.kinds import Result, StepFailed
from stoker.engine.options import RunOptions
from stoker.plan.model import Input, Plan, Step
from stoker.steps.kind import BaseKind, Definition

SECRET = "hunter2-secret"
HIDDEN = {"t": Input(secret=True)}


def holding(directory: Path, text: str = SECRET) -> list[Path]:
    """The files that hold a text."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return [path for path in files if text.encode() in path.read_bytes()]


@pytest.fixture
def cut_short(drive, options, tmp_path):
    """`cut_short(plan)`: start run `r`, whose step writes to the pipe `begun`, and close the
    engine as soon as it has."""
    os.mkfifo(tmp_path / "begun")

    def run(plan):
        async def begin(engine, journal):
            await engine.start(plan, inputs={"t": SECRET}, options=options, run_id="r")
            await asyncio.to_thread((tmp_path / "begun").read_bytes)

        drive(begin)

    return run


def nested_plan(directory: Path, *steps: dict) -> Plan:
    inner = {"plan_id": "inner", "inputs": {"token": {}, "n": 1, "plain": "p"}, "steps": steps}
    (directory / "inner.json").write_text(json.dumps(inner))
    given = {"token": "user:${{ inputs.t }}", "plain": "as it is"}
    definition = {"type": "plan", "path": "inner.json", "inputs": given}
    return Plan(plan_id="outer", inputs=HIDDEN, steps=(Step(id="x", step_def=definition),))


def test_a_secret_stays_one_in_a_nested_run(drive, options, tmp_path, state):
    plan = nested_plan(tmp_path, {"id": "s", "run": "echo tok=${{ inputs.token }} | tee -a log"})

    async def use(engine, journal):
        run = await engine.start(plan, inputs={"t": SECRET}, options=options, run_id="r")
        assert (await run.wait()).status == "succeeded"
        return await engine.journal.run("r.x.1"), await engine.journal.attempts("r.x.1")

    row, (attempt,) = drive(use)
    assert (tmp_path / "log").read_text() == f"tok=user:{SECRET}\n"
    assert row.inputs == {"n": 1, "plain": "as it is"}
    assert Path(attempt.stdout_path).read_text() == "tok=***\n"
    assert holding(state) == []


def test_a_nested_run_is_given_its_parents_secrets_again(drive, cut_short, tmp_path, state):
    script = "echo tok=${{ inputs.token }} && test -e go || { echo > begun && sleep 60; }"
    plan = nested_plan(tmp_path, {"id": "s", "run": script})

    async def go_on(engine, journal):
        run = await engine.resume("r", inputs={"t": SECRET})
        assert (await run.wait()).status == "succeeded"
        return await engine.journal.attempts("r.x.1")

    cut_short(plan)
    (tmp_path / "go").touch()
    attempts = drive(go_on)
    assert Path(attempts[-1].stdout_path).read_text() == "tok=***\n"
    assert holding(state) == []


def test_a_nested_run_resumed_alone_keeps_its_secrets(drive, cut_short, tmp_path, state):
    script = "echo tok=${{ inputs.token }} && test -e go || { echo > begun && sleep 60; }"
    plan = nested_plan(tmp_path, {"id": "s", "run": script})

    async def go_on(engine, journal):
        run = await engine.resume("r.x.1", inputs={"token": f"user:{SECRET}"})
        assert (await run.wait()).status == "succeeded"

    cut_short(plan)
    (tmp_path / "go").touch()
    drive(go_on)
    assert holding(state) == []


def test_an_interrupted_attempts_output_holds_no_secret_after_a_resume(
    drive, cut_short, tmp_path, state
):
    script = "echo v=${{ inputs.t }} > $STOKER_OUTPUT; test -e go || { echo > begun; sleep 60; }"
    plan = Plan(plan_id="p", inputs=HIDDEN, steps=(Step(id="a", run=script),))

    async def go_on(engine, journal):
        run = await engine.resume("r", inputs={"t": SECRET})
        assert (await run.wait()).status == "succeeded"

    cut_short(plan)
    (tmp_path / "go").touch()
    drive(go_on)
    assert (state / "runs/r/outputs/a.1").read_text() == "v=***\n"
    assert holding(state) == []


def test_locks_are_named_by_digests(drive, options, tmp_path, state, monkeypatch):
    claimed = []
    plan = Plan(
        plan_id="p",
        inputs={**HIDDEN, "stage": "prod"},
        steps=(
            Step(id="a", run="true", locks=("db-${{ inputs.t }}", "env-${{ inputs.stage }}")),
            Step(id="b", run="true", locks=("env-prod",)),
        ),
    )

    async def use(engine, journal):
        claim = engine.journal.claim_locks

        async def spy(lease, step_id, names):
            claimed.append((step_id, names))
            return await claim(lease, step_id, names)

        monkeypatch.setattr(engine.journal, "claim_locks", spy)
        run = await engine.start(plan, inputs={"t": SECRET}, options=options)
        assert (await run.wait()).status == "succeeded"
        # A secret that is part of a lock's name by chance must not make it another lock.
        again = await engine.start(plan, inputs={"t": "prod"}, options=options)
        assert (await again.wait()).status == "succeeded"

    drive(use)
    names = {step: [list(found) for of, found in claimed if of == step] for step in "ab"}
    assert SECRET not in repr(claimed)
    shared = {name for found in names["b"] for name in found}
    assert len(shared) == 1
    assert all(shared < set(found) and len(found) == 2 for found in names["a"])


@pytest.mark.parametrize("shape", ['{"x": %s}', '{"x": [{"y": %s}]}'])
def test_a_step_cannot_name_a_file_as_its_output(execute, shape):
    forged = shape % '{"$file": "/etc/passwd"}'
    run = execute([{"id": "a", "run": f"echo '{forged}' > $STOKER_OUTPUT", "provides": ["x"]}])
    assert run.outcome.status == "failed"
    assert "$file" in run.reasons["a"]


def test_a_kind_cannot_name_any_file_as_its_output(tmp_path):
    runs = tmp_path / "runs"
    large = outputs.settle({"x": "x" * (outputs.MAX_INLINE + 1)}, runs / "r" / "artefacts")
    outputs.refuse_references(large, runs)
    for path in (
        "/etc/passwd",
        f"/r/artefacts/{'0' * 64}",
        f"{tmp_path}/r/artefacts/{'0' * 64}",
        f"{runs}/r/artefacts/passwd",
        f"{runs}/r/artefacts/../../../{'0' * 64}",
        f"{runs}/r/logs/{'0' * 64}",
    ):
        with pytest.raises(outputs.OutputError, match="file"):
            outputs.refuse_references({"json": {"$file": path}}, runs)


def test_large_outputs_of_a_nested_plan_reach_the_consumer(execute, tmp_path):
    step = {"id": "i", "run": "printf 'y=%070000d' 7 > $STOKER_OUTPUT", "provides": ["y"]}
    (tmp_path / "inner.json").write_text(json.dumps({"plan_id": "inner", "steps": [step]}))
    definition = {"type": "plan", "path": "inner.json"}
    run = execute(
        [
            {"id": "outer", "step_def": definition, "provides": ["y"]},
            {"id": "use", "run": "wc -c < $STOKER_INPUT_Y_FILE", "consumes": ["y"]},
        ]
    )
    assert run.outcome.status == "succeeded", run.reasons
    assert run.stdout("use").strip() == "70000"


def test_a_file_is_replaced_for_its_owner_alone_and_through_no_link(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "out"
    victim.write_text("mine")
    path.write_text("old")
    (tmp_path / "out.new").symlink_to(victim)
    outputs.replace(str(path), b"new")
    assert victim.read_text() == "mine"
    assert path.read_text() == "new"
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_fingerprints_are_their_owners_alone(execute):
    run = execute([{"id": "a", "run": "touch o", "outputs_files": ["o"]}])
    (file,) = (run.directory / "fingerprints").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("pattern", ["src/**.py", "/**foo", "none/*.py", "no\0where", "missing"])
def test_inputs_that_cannot_be_found_are_never_up_to_date(drive, options, tmp_path, pattern):
    (tmp_path / "out").touch()
    step = Step(id="a", run="true", inputs_files=(pattern,), outputs_files=("out",))

    async def use(engine, journal):
        for _ in range(2):
            run = await engine.start(Plan(plan_id="p", steps=(step,)), options=options)
            assert (await run.wait()).status == "succeeded"
            assert run.state["a"].status == "succeeded"

    drive(use)


def test_a_directory_with_brackets_is_no_pattern(drive, tmp_path):
    directory = tmp_path / "proj[1]"
    directory.mkdir()
    plan = Plan(
        plan_id="p",
        steps=(Step(id="a", run="cat *.py > out", inputs_files=("*.py",), outputs_files=("out",)),),
    )
    options = RunOptions(cwd=str(directory))

    async def use(engine, _):
        statuses = []
        for content in ("1", "1", "2"):
            (directory / "a.py").write_text(content)
            run = await engine.start(plan, options=options)
            await run.wait()
            statuses.append(run.state["a"].status)
        return statuses

    assert drive(use) == ["succeeded", "skipped", "succeeded"]
    assert (directory / "out").read_text() == "2"


class Remembering(BaseKind):
    """Its first attempt does not end by itself, its second one fails, its third succeeds."""

    name = "remembering"
    definition = Definition

    def __init__(self):
        self.tokens = []
        self.begun = asyncio.Event()

    def start(self, step, definition, attempt):
        async def work():
            self.tokens.append(attempt.token)
            if attempt.number == 1:
                self.begun.set()
                await asyncio.Event().wait()
            return Result(error="no" if attempt.number == 2 else None)

        return work()


def test_the_token_outlives_a_lost_attempt_but_not_a_failed_one(drive):
    kind = Remembering()
    step = Step(id="a", step_def={"type": kind.name}, retries=1, retry_delay_sec=0)

    async def begin(engine, journal):
        await engine.start(Plan(plan_id="p", steps=(step,)), run_id="r")
        await kind.begun.wait()

    async def go_on(engine, journal):
        run = await engine.resume("r")
        assert (await run.wait()).status == "succeeded"

    drive(begin, [kind])
    drive(go_on, [kind])
    first, again, retry = kind.tokens
    assert first == again != retry


@pytest.mark.parametrize(
    "values",
    [{"a-b": 1, "a_b": 2}, {"a.b": 1, "A_B": 2}, {"x_file": 1, "x": "y" * 200_000}],
)
def test_consumed_names_that_share_a_variable_are_refused(tmp_path, values):
    files = Files(tmp_path, "r")
    files.create("../../journal.db")
    for given in (values, dict(reversed(values.items()))):
        with pytest.raises(StepFailed, match="STOKER_INPUT_"):
            consumed_env(given, "s", 1, files)


def test_a_long_value_takes_no_file_of_the_steps_own(tmp_path):
    files = Files(tmp_path, "r")
    files.create("../../journal.db")
    env = consumed_env({"extend": "y" * 200_000}, "s", 1, files)
    path = env["STOKER_INPUT_EXTEND_FILE"]
    assert os.path.getsize(path) == 200_000
    assert not os.path.exists(files.extension("s", 1))
