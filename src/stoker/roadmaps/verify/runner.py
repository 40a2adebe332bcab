"""How a command of a project is run while it is verified: confined, for a limited time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from stoker.agents.policy import Policy
from stoker.agents.profiles import Profile
from stoker.agents.sandbox import Sandbox, sandbox_of
from stoker.agents.settings import Settings
from stoker.agents.view import SYSTEM, view
from stoker.process.run import OutputTooLarge
from stoker.process.spec import MARKER, Exit

_KEPT: Final = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", MARKER),
        *("JAVA_HOME", "GOROOT", "GOPATH", "GOPROXY", "CARGO_HOME", "RUSTUP_HOME", "DOTNET_ROOT"),
        *("VIRTUAL_ENV", "NODE_PATH", "M2_HOME", "MAVEN_HOME", "GRADLE_HOME"),
        *("PYENV_ROOT", "PYENV_VERSION", "NODENV_ROOT", "ASDF_DIR", "ASDF_DATA_DIR", "VOLTA_HOME"),
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
    "~/.tool-versions",
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
    trouble: str = ""
    """`timeout`: it did not end in time; `output`: it wrote too much."""


class Executing(Protocol):
    """What is needed of an attempt of the engine's; `stoker.engine.kinds.Attempt` is one."""

    env: Mapping[str, str]

    async def execute(self, argv: Sequence[str], *, cwd: str | None = None) -> tuple[Exit, bytes]:
        """See `Attempt.execute`."""

    def redact(self, text: str) -> str:
        """See `Attempt.redact`."""


class Runner:
    """Runs commands as helpers of an attempt, in the sandbox that agents have, without network,
    and without the attempt's secrets in their environment. What they are is a repository's own
    affair: nothing they do reaches beyond `directory` and `scratch`."""

    def __init__(self, attempt: Executing, directory: str, scratch: str, state: str) -> None:
        """Use `open`."""
        self._attempt = attempt
        self._state = state
        self._sandbox = Sandbox()
        self._profile = Profile(
            executor="VERIFY",
            variant="DEFAULT",
            driver="command",
            command=("sh",),
            settings=Settings(readable=_CACHES, writable=(directory + "/", scratch + "/")),
            policy=Policy(mode="deny"),
            unasked=False,
            confine="auto",
            network="off",
            warm_sec=0.0,
        )
        self.directory = directory
        """Absolute. The files to verify are written here."""
        self.scratch = scratch
        """Absolute, not in `directory`: what commands report."""

    @classmethod
    async def open(cls, attempt: Executing, *, directory: str, scratch: str, state: str) -> Runner:
        """`directory` and `scratch` exist and are empty; `state`: the engine's directory, not to
        be seen."""
        made = cls(attempt, directory, scratch, state)
        seen = await asyncio.to_thread(view, _PROGRAMS, made._profile, attempt.env)
        # What is in the system is there already, and may be a link there.
        more = tuple(one for one in seen.readable if not one.startswith(_SYSTEM))
        settings = replace(made._profile.settings, readable=more)
        made._profile = replace(made._profile, settings=settings)
        made._sandbox = await sandbox_of(made._profile, own=directory, state=state)
        return made

    @property
    def warning(self) -> str | None:
        """Why commands are not confined as they should be."""
        return self._sandbox.warning

    async def run(
        self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], seconds: float
    ) -> Ran:
        """Run `argv` to its end in `cwd`, in or at `directory`, with `env` over the usual
        environment. Raises `SpawnError`."""
        mine = self._attempt.env
        # One stream, or it would not be known what was said when.
        words = self._sandbox.wrap(
            ["sh", "-c", 'exec "$@" 2>&1', "sh", *argv],
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
        code, output, trouble = None, b"", ""
        try:
            async with asyncio.timeout(seconds):
                ended, output = await self._attempt.execute(
                    ["env", *without, *given, *words], cwd=cwd
                )
                code = -1 if ended.exit_code is None else ended.exit_code
        except TimeoutError:
            trouble = "timeout"
        except OutputTooLarge:
            trouble = "output"
        return Ran(exit_code=code, seconds=time.monotonic() - began, output=output, trouble=trouble)

    def redact(self, text: str) -> str:
        """`text` without secrets."""
        return self._attempt.redact(text)
