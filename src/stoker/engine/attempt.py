"""One attempt as its kind sees it: the engine's side of `stoker.engine.kinds.Attempt`."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import finalize

from msgspec import Struct
from msgspec.structs import replace

from stoker.engine.kinds import Answer, Kept, Opener, StepFailed
from stoker.engine.outputs import artefact
from stoker.plan.model import Plan
from stoker.plan.template import as_text
from stoker.process.redact import Redactor
from stoker.process.spec import Exit, ProcessSpec
from stoker.process.spread import spread

if TYPE_CHECKING:
    from stoker.engine.run import Run
    from stoker.journal.base import Journal

MAX_ENV_VALUE = 100 * 1024
"""Longer values go through a file: Linux takes 128 KiB in one environment string."""


T = TypeVar("T")


class RunPlan(Protocol):
    """Starts a nested run under an attempt and waits for its end."""

    def __call__(
        self, attempt: LiveAttempt, plan: Plan, inputs: Mapping[str, Any], plan_dir: str | None
    ) -> Awaitable[Mapping[str, Any]]: ...


class Keep(Protocol):
    """Starts a process of an attempt that outlives the engine, or goes on with it."""

    def __call__(self, attempt: LiveAttempt, spec: ProcessSpec) -> Awaitable[Kept]: ...


class Shared(Protocol):
    """See `stoker.engine.engine.Engine.shared`."""

    def __call__(self, opener: Opener[T]) -> Awaitable[T]: ...


OWNER = "journal"
"""In a run's directory: a link to the run's journal, or to what names it. A link takes no block
of a disk that is full."""


class Files:
    """Where the files of one run live."""

    def __init__(self, state: Path, run_id: str) -> None:
        """`state` is the state directory, shared by all runs of a journal."""
        directory = state / "runs" / run_id
        self.directory = directory
        self.marker = f"{realm(state)}/{run_id}"
        """What the markers of the run's processes begin with."""
        self._logs = f"{directory}/logs"
        self._outputs = f"{directory}/outputs"
        self._outputs_fd = -1
        self.artefacts = directory / "artefacts"

    def create(self, journal: str) -> None:
        """Make the directories, readable by their owner only: raw logs may hold secrets.
        `journal`: what `owner` says of the run's journal; several may have runs here."""
        runs = self.directory.parent
        runs.mkdir(mode=0o700, parents=True, exist_ok=True)
        spread(runs)
        for path in (self.directory, self._logs, self._outputs):
            Path(path).mkdir(mode=0o700, exist_ok=True)
        with suppress(FileExistsError):
            (self.directory / OWNER).symlink_to(journal)
        self._outputs_fd = os.open(self._outputs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._close = finalize(self, os.close, self._outputs_fd)  # if nobody else does

    def close(self) -> None:
        """Nothing is asked of `written` any more."""
        self._close()
        self._outputs_fd = -1

    def logs(self, step_id: str, number: int) -> tuple[str, str]:
        """Paths of stdout and stderr of an attempt."""
        name = f"{self._logs}/{file_name(step_id)}.{number}"
        return f"{name}.out", f"{name}.err"

    def errors(self, step_id: str, number: int) -> str:
        """Beside the logs, where PowerShell's error records go."""
        return f"{self._logs}/{file_name(step_id)}.{number}.errors"

    def output(self, step_id: str, number: int) -> str:
        """The file `$STOKER_OUTPUT` names."""
        return f"{self._outputs}/{file_name(step_id)}.{number}"

    def extension(self, step_id: str, number: int) -> str:
        """The file `$STOKER_EXTEND` names."""
        return f"{self._outputs}/{file_name(step_id)}.{number}.extend"

    def written(self, path: str) -> bool:
        """Whether there is such an `output` or `extension`. Nearly always there is none, and
        asking the open directory costs a fifth of a failed `open`."""
        name = path[len(self._outputs) + 1 :]
        return os.access(name, os.F_OK, dir_fd=self._outputs_fd, follow_symlinks=False)

    def keeper(self, step_id: str, number: int) -> str:
        """Directory of an attempt's keeper."""
        return f"{self.directory}/keepers/{file_name(step_id)}.{number}"

    def value(self, step_id: str, number: int, name: str) -> Path:
        """File for a consumed value that is too long for the environment; in a directory of
        their own, where no name is that of another file of the attempt."""
        return Path(f"{self._outputs}/{file_name(step_id)}.{number}.values/{file_name(name)}")


def owner(journal: Journal) -> str:
    """What tells the runs of a journal from those of others in the same state directory. Only
    of one that is a file there is it sure: a database has the runs of many directories."""
    return f"../../{Path(journal.location).name}" if journal.local else journal.location


def realm(state: Path) -> str:
    """Tells the runs of one state directory from those of others, which may have the same
    ids: a process's marker begins with it."""
    import hashlib

    return hashlib.sha256(os.fsencode(os.path.realpath(state))).hexdigest()[:12]


@lru_cache(256)
def file_name(step_id: str) -> str:
    """The step's id where it can be a file name, else a digest of it."""
    if step_id.isascii() and len(step_id) <= 128 and "/" not in step_id and step_id[0] != ".":
        return step_id
    import hashlib

    return "sha256-" + hashlib.sha256(step_id.encode()).hexdigest()[:32]


class LiveAttempt(Struct, kw_only=True, eq=False):
    """See `stoker.engine.kinds.Attempt`."""

    run_id: str
    step_id: str
    number: int
    token: str
    resumed: bool
    env: Mapping[str, str]
    cwd: str
    stdin: bytes | None
    files: Files
    redactor: Redactor
    """Hides the run's secrets."""
    outlives: bool
    """Its processes run under a keeper."""
    nested: RunPlan
    run: Callable[[], Run]
    keeper: Keep
    common: Shared
    helper: Callable[[ProcessSpec, Redactor], Awaitable[tuple[Exit, bytes]]]
    directory: str = ""
    stdout_path: str = ""
    stderr_path: str = ""

    def __post_init__(self) -> None:
        self.directory = str(self.files.directory)
        self.stdout_path, self.stderr_path = self.files.logs(self.step_id, self.number)

    def process(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> ProcessSpec:
        return ProcessSpec(
            argv=tuple(argv),
            env={**self.env, **env} if env else self.env,
            cwd=self.cwd,
            stdout_path=self.stdout_path,
            stderr_path=self.stderr_path,
            marker=f"{self.files.marker}/{self.step_id}/{self.number}",
            stdin=self.stdin,
            keeper_dir=self.files.keeper(self.step_id, self.number) if self.outlives else None,
        )

    async def execute(self, argv: Sequence[str], *, cwd: str | None = None) -> tuple[Exit, bytes]:
        spec = replace(self.process(argv), stdin=None, keeper_dir=None, cwd=cwd or self.cwd)
        return await self.helper(spec, self.redactor)

    async def keep(self, spec: ProcessSpec) -> Kept:
        return await self.keeper(self, spec)

    def write(self, text: str, *, error: bool = False) -> None:
        path = self.stderr_path if error else self.stdout_path
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, self.redactor.text(text).encode())
        finally:
            os.close(descriptor)

    def redact(self, text: str) -> str:
        return self.redactor.text(text)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be stored and shown nowhere; a nested run hides it too."""
        return self.redactor.secrets

    async def shared(self, opener: Opener[T]) -> T:
        return await self.common(opener)

    async def run_plan(
        self, plan: Plan, inputs: Mapping[str, Any], *, plan_dir: str | None = None
    ) -> Mapping[str, Any]:
        return await self.nested(self, plan, inputs, plan_dir)

    async def ask(self, key: str, prompt: str) -> Answer:
        return await self.run().ask(self.step_id, key, prompt)

    async def others(self, step_id: str) -> None:
        await self.run().others(self.step_id, step_id)


def consumed_env(
    values: Mapping[str, Any], step_id: str, number: int, files: Files
) -> dict[str, str]:
    """`STOKER_INPUT_<NAME>` of what a step consumes; a value too long for the environment,
    or one that travels as an artefact, is named by `STOKER_INPUT_<NAME>_FILE` instead.

    Raises `StepFailed` for names that come to one variable, such as `a-b` and `a_b`.
    """
    env: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, value in values.items():
        key = "STOKER_INPUT_" + "".join(c if c.isalnum() else "_" for c in name).upper()
        path = artefact(value)
        content = as_text(value) if path is None else ""
        through_file = path is not None or len(content) > MAX_ENV_VALUE
        variable = f"{key}_FILE" if through_file else key
        for taken in (key, variable):
            if (other := names.setdefault(taken, name)) != name:
                raise StepFailed(f"consumes: {other!r} and {name!r} both come as ${taken}")
        if through_file and path is None:
            file = files.value(step_id, number, name)
            file.parent.mkdir(mode=0o700, exist_ok=True)
            file.write_text(content)
            path = str(file)
        env[variable] = content if path is None else path
    return env
