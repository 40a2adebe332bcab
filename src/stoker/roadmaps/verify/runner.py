"""How a command of a project is run while it is verified: confined, for a limited time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from stoker.agents.policy import Policy
from stoker.agents.profiles import Profile
from stoker.agents.sandbox import Sandbox, sandbox_of
from stoker.agents.settings import Confine
from stoker.agents.settings import Settings as ProfileSettings
from stoker.agents.view import SYSTEM, view
from stoker.process.run import OutputTooLarge
from stoker.process.spec import MARKER, Exit

_KEPT: Final = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", MARKER),
        *("JAVA_HOME", "GOROOT", "GOPATH", "GOPROXY", "CARGO_HOME", "RUSTUP_HOME", "DOTNET_ROOT"),
        *("VIRTUAL_ENV", "NODE_PATH", "M2_HOME", "MAVEN_HOME", "GRADLE_HOME"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
    )
)
"""Of the attempt's environment; the rest may be secrets, which code under test has no use for."""
_PROGRAMS: Final = (
    *("sh", "env", "python", "python3", "node", "npm", "go", "cargo", "rustc", "java", "mvn"),
    *("gradle", "dotnet", "make", "just", "mise", "task", "tox", "nox", "uv", "git"),
)
_SYSTEM: Final = tuple(f"{place}/" for place in SYSTEM)
_CACHES: Final = (
    *("~/.cargo/bin", "~/.cargo/registry", "~/.rustup/toolchains", "~/.rustup/settings.toml"),
    *("~/go/pkg/mod", "~/.m2/repository", "~/.gradle/wrapper", "~/.nuget/packages"),
)
"""Where toolchains keep themselves and what was fetched for them; no credentials."""


class Ran(Struct, frozen=True, kw_only=True):
    """How a command ended."""

    exit_code: int | None
    """None: see `trouble`."""
    seconds: float
    output: bytes = b""
    """Both streams, as written; at most 16 MiB."""
    trouble: Literal["", "timeout", "output"] = ""
    """It did not end in time, or wrote too much."""


class Runner(Protocol):
    """Runs commands for `verify`. What they are is a repository's own affair: nothing they do
    may reach beyond `directory` and `scratch`."""

    directory: str
    """Absolute, exists, empty at first. The files to verify are written here."""
    scratch: str
    """Absolute, exists, empty at first, not in `directory`: what commands report."""

    async def run(
        self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], seconds: float
    ) -> Ran:
        """Run `argv` to its end in `cwd`, in or at `directory`, with `env` over the usual
        environment. Raises `SpawnError`."""

    def redact(self, text: str) -> str:
        """`text` without secrets."""


class Executing(Protocol):
    """What is needed of an attempt of the engine's; `stoker.engine.kinds.Attempt` is one."""

    env: Mapping[str, str]

    async def execute(self, argv: Sequence[str], *, cwd: str | None = None) -> tuple[Exit, bytes]:
        """See `Attempt.execute`."""

    def redact(self, text: str) -> str:
        """See `Attempt.redact`."""


class SandboxedRunner:
    """Runs commands as helpers of an attempt, in the sandbox that agents have, without network
    unless it is asked for, and without the attempt's secrets in their environment."""

    def __init__(self, attempt: Executing, sandbox: Sandbox, profile: Profile, state: str) -> None:
        """Use `open`."""
        self._attempt = attempt
        self._sandbox = sandbox
        self._profile = profile
        self._state = state
        self.directory = self.scratch = ""

    @classmethod
    async def open(
        cls,
        attempt: Executing,
        *,
        directory: str,
        scratch: str,
        state: str,
        confine: Confine = "auto",
        network: bool = False,
        readable: Sequence[str] = (),
    ) -> SandboxedRunner:
        """`state`: the engine's directory, not to be seen; `readable`: what commands may see
        beside the system, the usual toolchains and their caches. Raises `NoSandbox`."""
        settings = ProfileSettings(
            readable=(*_CACHES, *readable), writable=(directory + "/", scratch + "/")
        )
        profile = Profile(
            executor="VERIFY",
            variant="DEFAULT",
            driver="command",
            command=("sh",),
            settings=settings,
            policy=Policy(mode="deny"),
            unasked=False,
            confine=confine,
            network="on" if network else "off",
            warm_sec=0.0,
        )
        seen = await asyncio.to_thread(view, _PROGRAMS, profile, attempt.env)
        # What is in the system is there already, and may be a link there.
        more = tuple(one for one in seen.readable if not one.startswith(_SYSTEM))
        profile = replace(profile, settings=replace(settings, readable=more))
        sandbox = await sandbox_of(profile, own=directory, state=state)
        made = cls(attempt, sandbox, profile, state)
        made.directory, made.scratch = directory, scratch
        return made

    @property
    def warning(self) -> str | None:
        """Why commands are not confined as they should be."""
        return self._sandbox.warning

    async def run(
        self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], seconds: float
    ) -> Ran:
        """See `Runner.run`."""
        mine = self._attempt.env
        # One stream, or it would not be known what was said when.
        words = ["sh", "-c", 'exec "$@" 2>&1', "sh", *argv]
        words = self._sandbox.wrap(
            words,
            profile=self._profile,
            cwd=cwd,
            env=mine,
            scratch=self.scratch,
            state=self._state,
            worktree=self.directory,
        )
        without = [word for name in mine if name not in _KEPT for word in ("-u", name)]
        usual = {
            "CI": "1",
            "NO_COLOR": "1",
            "XDG_CACHE_HOME": f"{self.scratch}/cache",
            "GIT_CEILING_DIRECTORIES": self.directory,
            # Checked-out files of one second and one size would be taken for each other.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        given = [f"{name}={value}" for name, value in (usual | dict(env)).items()]
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                ended, output = await self._attempt.execute(
                    ["env", *without, *given, *words], cwd=cwd
                )
        except TimeoutError:
            return Ran(exit_code=None, seconds=time.monotonic() - began, trouble="timeout")
        except OutputTooLarge:
            return Ran(exit_code=None, seconds=time.monotonic() - began, trouble="output")
        code = ended.exit_code
        return Ran(
            exit_code=-1 if code is None else code,
            seconds=time.monotonic() - began,
            output=output,
        )

    def redact(self, text: str) -> str:
        """See `Runner.redact`."""
        return self._attempt.redact(text)
