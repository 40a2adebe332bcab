"""From a decision to start to work under way, and from its end to a result."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stoker.engine import outputs, scope
from stoker.engine.attempt import Files, Keep, LiveAttempt, RunPlan, Shared, consumed_env
from stoker.engine.creation import nested_run_id
from stoker.engine.kinds import ProcessWork, Result, StepFailed, Work
from stoker.engine.profile import Profile
from stoker.engine.state import RunState, StepState
from stoker.log import get_logger
from stoker.plan.model import Scalar, Step
from stoker.plan.references import has_template
from stoker.plan.template import as_text, compile_template, render_value
from stoker.process.redact import Redactor
from stoker.process.spec import Exit, ProcessSpec
from stoker.process.tree import end_all

if TYPE_CHECKING:
    from stoker.engine.run import Run

log = get_logger(__name__)


class Launcher:
    """Builds the attempts of one run.

    `env` is what steps inherit (the engine's own environment), `cwd` the directory that
    relative paths of the plan start from.
    """

    def __init__(
        self,
        state: RunState,
        files: Files,
        *,
        inputs: Mapping[str, Any],
        env: Mapping[str, str],
        cwd: str,
        redactor: Redactor,
        run_plan: RunPlan,
        end_nested: Callable[[str, Sequence[str]], Awaitable[None]],
        keep: Keep,
        shared: Shared,
        execute: Callable[[ProcessSpec, Redactor], Awaitable[tuple[Exit, bytes]]],
        run: Callable[[], Run],
    ) -> None:
        self._state = state
        self._files = files
        self._inputs = inputs
        self.redactor = redactor
        self._run_plan = run_plan
        self._end_nested = end_nested
        self._keep = keep
        self._shared = shared
        self._execute = execute
        self._run = run
        globals_ = state.plan.globals
        names = {"inputs": inputs, "env": env, "run": scope.of_run(state)}
        self.env: Mapping[str, str] = {
            **_merged(env, globals_.env, names),
            "STOKER_RUN_ID": state.run_id,
        }
        self.cwd = str(Path(cwd, rendered(globals_.cwd or "", names)))

    def close(self) -> None:
        """No attempt is begun or looked at any more."""
        self._files.close()

    def scope(self, index: int) -> dict[str, Any]:
        return scope.scope(self._state, index, inputs=self._inputs, env=self.env)

    def filled_in(self, index: int) -> tuple[Step, str]:
        """The step as it would run now, and its directory: all it depends on but files, so
        that the up-to-date check compares values. Raises `EvaluationError`."""
        step, names = self._state.steps[index].step, self.scope(index)
        consumed = scope.consumed(self._state, index).items()
        env = {**self._state.plan.globals.env, **step.env}
        fields = (step.command, step.args, step.run, step.step_def, env, step.stdin)
        command, args, run, step_def, env, stdin = render_value(fields, names)
        env |= {f"STOKER_INPUT_{name}": as_text(value) for name, value in consumed}
        filled = msgspec.structs.replace(
            step,
            command=command,
            args=args,
            run=run,
            step_def=step_def,
            env=env,
            stdin=stdin,
            inputs_files=tuple(_names(step.inputs_files, names)),
            outputs_files=tuple(_names(step.outputs_files, names)),
        )
        return filled, str(Path(self.cwd, rendered(step.cwd or "", names)))

    def locks(self, index: int) -> list[str]:
        """Names of the locks a step needs, as digests: a name may hold a secret. All names, or
        it would depend on a run's secrets which runs share a lock. Raises `EvaluationError`."""
        locks = self._state.steps[index].step.locks
        names = _names(locks, self.scope(index)) if has_template(locks) else locks
        return [hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest() for name in names]

    def describe(self, step: StepState, profile: Profile, number: int) -> dict[str, Any]:
        """What the journal keeps of a new attempt."""
        data = profile.describe(step.step, step.failures)
        data["stdout_path"], data["stderr_path"] = self._files.logs(step.step.id, number)
        return data

    def begin(self, index: int, number: int, profile: Profile, *, resumed: bool) -> Work:
        """Render the step and let its kind begin. Raises `StepFailed`, `EvaluationError`."""
        state = self._state.steps[index]
        step = state.step
        env = dict(self.env)
        env["STOKER_STEP_ID"] = step.id
        env["STOKER_OUTPUT"] = self._files.output(step.id, number)
        env["STOKER_EXTEND"] = self._files.extension(step.id, number)
        definition, cwd, stdin = profile.definition, step.cwd, step.stdin
        if step.consumes:
            values = scope.consumed(self._state, index)
            env.update(consumed_env(values, step.id, number, self._files))
        if not profile.plain or definition is None:
            names = self.scope(index)
            env = _merged(env, step.env, names)
            cwd = rendered(cwd, names) if cwd else cwd
            stdin = rendered(stdin, names) if stdin else stdin
            if definition is None:
                definition = self._definition(step, profile, names)
        elif step.env:
            env = _merged(env, step.env, {})
        attempt = LiveAttempt(
            run_id=self._state.run_id,
            step_id=step.id,
            number=number,
            token=token(self._state.run_id, state),
            resumed=resumed,
            env=env,
            cwd=f"{self.cwd}/{cwd}" if cwd and cwd[0] != "/" else cwd or self.cwd,
            stdin=stdin.encode() if stdin is not None else None,
            files=self._files,
            redactor=self.redactor,
            outlives=profile.on_interrupt == "adopt",
            nested=self._run_plan,
            run=self._run,
            keeper=self._keep,
            common=self._shared,
            helper=self._execute,
        )
        return profile.kind.start(step, definition, attempt)

    def _definition(self, step: Step, profile: Profile, names: Mapping[str, Any]) -> msgspec.Struct:
        rendered = render_value(profile.raw, names)
        try:
            converted: msgspec.Struct = msgspec.convert(
                rendered, profile.kind.definition, strict=False
            )
        except msgspec.ValidationError as error:
            raise StepFailed(f"after rendering its templates, {error}") from error
        # What could not be checked when the plan was loaded, for its templates.
        problems = profile.kind.check(step, converted)
        if problems:
            raise StepFailed("after rendering its templates: " + "; ".join(problems))
        return converted

    def result(
        self, index: int, number: int, work: ProcessWork | None, end: Exit | Result
    ) -> Result:
        """What an attempt's end amounts to, with the outputs it wrote. Raises `OutputError`."""
        if not self.redactor:
            return self._result(index, number, work, end)
        try:
            return self._result(index, number, work, end)
        finally:
            self._mask(index, number)

    def _result(
        self, index: int, number: int, work: ProcessWork | None, end: Exit | Result
    ) -> Result:
        if isinstance(end, Result):
            result = end
        elif work is not None and work.result is not None:
            try:
                result = work.result(end)
            except StepFailed as error:
                result = Result(exit_code=error.exit_code, error=str(error))
        else:
            result = Result(exit_code=end.exit_code, error=end.why())
        path = self._files.output(self._state.steps[index].step.id, number)
        written: dict[str, Any] = {}
        if result.error is None and self._files.written(path):
            written = outputs.read(path, self.redactor.text)
        if not written and not result.outputs:
            return result
        outputs.refuse_references(written)
        outputs.refuse_references(result.outputs, self._files.directory.parent)
        values = {**result.outputs, **written}
        if self.redactor:  # names are the plan's, and stay
            plain = msgspec.to_builtins(values)
            values = {name: self._masked(value) for name, value in plain.items()}
        settled = outputs.settle(values, self._files.artefacts)
        return Result(exit_code=result.exit_code, error=result.error, outputs=settled)

    def _masked(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._masked(item) for item in value]
        if outputs.artefact(value) is not None:  # its content has no secret any more
            return value
        return self.redactor.value(value)

    def mask_interrupted(self, adopted: Callable[[int], bool]) -> None:
        """Leave no secret in the files of attempts that nobody has heard the end of; those that
        are to be adopted may be writing still, and are cleaned when they end."""
        if not self.redactor:
            return
        for index, step in enumerate(self._state.steps):
            if step.status == "running" and step.number and not adopted(index):
                try:
                    self._mask(index, step.number)
                except outputs.OutputError as error:
                    log.warning("output not redacted", step=step.step.id, error=str(error))

    def _mask(self, index: int, number: int) -> None:
        """Leave no secret in the files an attempt wrote for the engine or its kind."""
        step_id = self._state.steps[index].step.id
        for path in (
            self._files.output(step_id, number),
            self._files.extension(step_id, number),
            self._files.errors(step_id, number),
        ):
            content = outputs.content_of(path, Path(path).name)
            if content is not None:
                stream = self.redactor.stream()
                outputs.replace(path, stream.feed(content) + stream.flush())

    def extension(self, index: int, number: int) -> str | None:
        """Text of the new steps the attempt wrote to `$STOKER_EXTEND`. Raises `OutputError`."""
        path = self._files.extension(self._state.steps[index].step.id, number)
        if not self._files.written(path):
            return None
        content = outputs.whole(path, "$STOKER_EXTEND")
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError as error:
            raise outputs.OutputError(f"$STOKER_EXTEND: byte {error.start} is not UTF-8") from None

    @property
    def marker(self) -> str:
        """What the markers of the run's processes begin with."""
        return self._files.marker

    def marker_of(self, index: int, number: int) -> str:
        """The marker of an attempt's processes."""
        return f"{self._files.marker}/{self._state.steps[index].step.id}/{number}"

    async def abandon(self, index: int, number: int) -> None:
        """End what an attempt had begun before a crash, processes and nested run: whoever went on
        with it was canceled, perhaps before it looked for them."""
        await end_all(self.marker_of(index, number))
        run_id = nested_run_id(self._state.run_id, self._state.steps[index].step.id, number)
        await self._end_nested(run_id, self.redactor.secrets)

    def keeper(self, index: int, number: int) -> str:
        return self._files.keeper(self._state.steps[index].step.id, number)


def token(run_id: str, step: StepState) -> str:
    """See `stoker.engine.kinds.Attempt.token`."""
    return f"{run_id}/{step.step.id}/{step.failures + 1}"


def _merged(
    env: Mapping[str, str], more: Mapping[str, Scalar], names: Mapping[str, Any]
) -> dict[str, str]:
    """`env` with `more` rendered over it; a null takes the variable away."""
    merged = dict(env)
    for key, value in more.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = rendered(as_text(value), names)
    return merged


def rendered(text: str, names: Mapping[str, Any]) -> str:
    """The text with its templates filled in. Raises `EvaluationError`."""
    return compile_template(text).render_text(names) if "${{" in text else text


def _names(texts: Sequence[str], scope_: Mapping[str, Any]) -> Iterator[str]:
    """Names of files or locks; an expression that gives a list gives many."""
    for value in render_value(texts, scope_):
        yield from map(as_text, value if isinstance(value, list | tuple) else (value,))
