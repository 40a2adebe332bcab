"""Kind `agent`: a coding agent at work in the step's directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from msgspec.structs import replace

from stoker.agents import profiles, warm
from stoker.agents.adapter import Adapter, Assignment
from stoker.agents.driver import Driven, Driver
from stoker.agents.profiles import Profile, UnknownProfile
from stoker.agents.progress import GRACE_SEC
from stoker.agents.sandbox import NoSandbox, sandbox_of
from stoker.agents.store import Store, place
from stoker.agents.transcript import transcript
from stoker.agents.worktree import Worktree
from stoker.engine.kinds import Attempt, Kept, Result, StepFailed, Work
from stoker.plan.errors import PlanError
from stoker.plan.model import Step
from stoker.process.logs import LogWatch
from stoker.process.tree import end_all
from stoker.steps.kind import BaseKind, Definition

if TYPE_CHECKING:
    from stoker.engine.engine import Engine

_NICE: Final = 10
"""Agents and what they run come after who waits for an answer of the server's."""
_WAYS_OUT: Final = frozenset(
    ("STOKER_TOKEN", "STOKER_URL", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK")
)
"""Variables by which others act outside the sandbox for who asks them."""
_ADAPTERS: Final[dict[str, str]] = {
    "command": "stoker.agents.plain:PlainAdapter",
    "stream-json": "stoker.agents.claude:ClaudeAdapter",
    "codex": "stoker.agents.codex:CodexAdapter",
    "acp": "stoker.agents.acp:AcpAdapter",
}
"""Driver -> `module:CLASS`; a module is imported when a profile first uses it."""
AGENT: Final = "STOKER_AGENT"
"""Variable of an agent, and of what it starts: the run it is at work in."""


class Agent(Definition, frozen=True, kw_only=True):
    """What an agent is to do."""

    profile: str
    """Executor, or `EXECUTOR:VARIANT`, such as `CODEX:APPROVALS`."""
    prompt: str
    """What it is to do."""
    session: str | None = None
    """Id of the agent's own conversation to go on with, an output `session_id` of before."""
    transcript: str | None = None
    """What was said before: begins the prompt if the agent has no such session any more."""
    continues: tuple[str, ...] = ()
    """Steps of this run, of which the last has that session: what was said in them is the
    transcript."""
    worktree: str | None = None
    """What it may change, absolute, if the step's directory is only a part of that."""
    warm: bool = False
    """Its process may stay for a step that continues this one."""
    images: tuple[str, ...] = ()
    """Paths, from the step's directory."""
    model: str | None = None
    """Default: the profile's."""
    approvals: Literal["ask", "allow", "deny"] | None = None
    """What becomes of the agent's requests; default: the profile's."""
    asks: Literal["inbox", "run"] = "inbox"
    """What becomes of requests that a person is to answer. `inbox`: they wait for a `Reply`.
    `run`: also for `stoker approve` of the step, without an engine if nothing else is to do."""
    pause_destructive: bool | None = None
    """Commands that destroy something wait for a person; default: the profile's."""
    destructive: tuple[str, ...] | None = None
    """Patterns of commands that do, beside those that are known."""


class AgentKind(BaseKind[Agent]):
    """Runs an agent for one turn, or as many as it is given while it runs.

    Outputs: `session_id`, `summary` (its last message), `tokens` and `cost_usd`.
    """

    name = "agent"
    definition = Agent
    on_interrupt = "adopt"

    def check(self, step: Step, definition: Agent) -> list[str]:
        """A prompt and a profile, neither empty."""
        fields = ("profile", "prompt")
        return [
            f"{name}: expected text, found nothing"
            for name in fields
            if not getattr(definition, name).strip()
        ]

    def tool(self, step: Step, definition: Agent) -> str:
        """The executor: one whose service is down fails for all."""
        return definition.profile.partition(":")[0]

    def start(self, step: Step, definition: Agent, attempt: Attempt) -> Work:
        """The agent's process, and a conversation with it."""
        profile = _profile(definition, attempt)
        shown = attempt.redact(definition.prompt)
        assignment = Assignment(
            prompt=definition.prompt,
            cwd=attempt.cwd,
            profile=profile,
            images=tuple(str(Path(attempt.cwd, image)) for image in definition.images),
            session=definition.session or None,
            transcript=definition.transcript,
            shown=shown if shown != definition.prompt else None,
        )
        return _work(definition, assignment, attempt)


async def _work(definition: Agent, assignment: Assignment, attempt: Attempt) -> Result:
    profile = assignment.profile
    store = Store(
        place(attempt.directory, attempt.step_id, attempt.number), log=attempt.stdout_path
    )
    module, _, name = _ADAPTERS[profile.driver].partition(":")
    adapter_type: type[Adapter] = getattr(import_module(module), name)
    own = definition.worktree or attempt.cwd
    state = str(Path(attempt.directory).parents[1])
    stays = definition.warm and adapter_type.idles and profile.warm_sec > 0
    try:
        sandbox = await sandbox_of(profile, own=own, state=state)
    except NoSandbox as error:
        raise StepFailed(str(error)) from error
    env = _environment(profile, attempt.env, confined=sandbox.confines)
    env[AGENT] = Path(attempt.directory).name
    if sandbox.warning and not attempt.resumed:
        attempt.write(f"stoker: {sandbox.warning}\n", error=True)
    earlier = assignment.transcript or await asyncio.to_thread(
        transcript, attempt.directory, definition.continues
    )
    assignment = replace(assignment, transcript=earlier, confined=sandbox.confines)
    adapter = adapter_type(assignment, files=Worktree(own))
    driver = Driver(
        adapter,
        store,
        stdout_path=attempt.stdout_path,
        stderr_path=attempt.stderr_path,
        watch=await attempt.shared(_watching),
        lodging=warm.lodging(profile, env, attempt.directory, definition.continues)
        if stays
        else None,
    )

    async def start(keeper: str, lost: bool) -> Kept:
        told = replace(assignment, session=None) if lost else assignment
        argv = sandbox.wrap(
            adapter_type.argv(told),
            profile=profile,
            cwd=attempt.cwd,
            env=env,
            scratch=str(store.directory / "tmp"),
            state=state,
            worktree=definition.worktree,
        )
        spec = attempt.process(argv)
        if stays and attempt.number > 1:  # the one before may have been cut off by a crash
            before = place(attempt.directory, attempt.step_id, attempt.number - 1)
            await end_all(warm.marker(spec.marker, str(before / "keeper")), GRACE_SEC)
        spec = replace(
            spec,
            env=env,
            stdin=None,
            stdin_file=True,
            keeper_dir=keeper,
            nice=_NICE,
            marker=warm.marker(spec.marker, keeper) if stays else spec.marker,
        )
        return await attempt.keep(spec)

    try:
        ask = attempt.ask if definition.asks == "run" else None
        return _result(await driver.drive(start, ask))
    finally:
        if undone := await asyncio.to_thread(sandbox.undo, own, str(store.directory / "tmp")):
            attempt.write(f"stoker: {undone}\n", error=True)


@asynccontextmanager
async def _watching(_: Engine) -> AsyncIterator[LogWatch]:
    """One inotify for all drivers of an engine; a user has few of them."""
    watch = LogWatch(asyncio.get_running_loop())
    try:
        yield watch
    finally:
        watch.close()


def _result(driven: Driven) -> Result:
    ended = driven.ended
    code = driven.exit.exit_code if driven.exit else None
    if ended.reason != "completed":
        error = f"the agent's turn ended: {ended.reason}"
        return Result(
            exit_code=code or None, error=f"{error}: {ended.error}" if ended.error else error
        )
    outputs: dict[str, Any] = {
        "session_id": driven.session,
        "summary": ended.summary,
        "tokens": msgspec.structs.asdict(driven.usage.tokens),
        "cost_usd": driven.usage.cost_usd,
    }
    return Result(exit_code=0, outputs=outputs)


def _profile(definition: Agent, attempt: Attempt) -> Profile:
    executor, _, variant = definition.profile.partition(":")
    try:
        known = profiles.load(profiles.place(attempt.env))
        return known.profile(
            executor,
            variant,
            model=definition.model,
            approvals=definition.approvals,
            pause_destructive=definition.pause_destructive,
            destructive=definition.destructive,
        )
    except (PlanError, UnknownProfile) as error:
        raise StepFailed(str(error)) from error


def _environment(profile: Profile, env: Mapping[str, str], *, confined: bool) -> dict[str, str]:
    merged = {name: value for name, value in env.items() if not confined or name not in _WAYS_OUT}
    for name, value in profile.settings.env.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged


KIND = AgentKind()
