"""Profiles: how each agent is driven, in a file that users edit.

    {"executors": {"CODEX": {"DEFAULT": {"CODEX": {"model": "gpt-5"}},
                             "APPROVALS": {"CODEX": {"approvals": "ask"}}}}}

An executor is an agent, a variant one way of using it. What a variant does not say, the
executor's default says (`stoker.agents.defaults`; of one that is not built in, its own
DEFAULT). The file is JSON or YAML; the inner
repetition of the executor's name may be left out.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from stoker import whole_file
from stoker.agents.hosts import Hosts
from stoker.agents.policy import Policy
from stoker.agents.settings import Confine, Driver, Network, Settings
from stoker.plan.errors import PlanError, Problem, problem

VARIABLE: Final = "STOKER_PROFILES"
_WARM_SEC: Final = 300.0
NAMES: Final = ("profiles.json", "profiles.yaml", "profiles.yml")


class Profile(Struct, frozen=True, kw_only=True):
    """What holds for one attempt."""

    executor: str
    variant: str
    driver: Driver
    command: tuple[str, ...]
    settings: Settings
    """Complete: the variant's over the executor's default."""
    policy: Policy
    unasked: bool
    """The agent is told not to ask at all."""
    confine: Confine
    network: Network
    warm_sec: float


class UnknownProfile(Exception):
    """There is no such executor or variant; the message says which there are."""


class Profiles:
    """All profiles: the defaults, and what a file says over them."""

    def __init__(self, given: Mapping[str, Mapping[str, Settings]] | None = None) -> None:
        from stoker.agents.defaults import EXECUTORS

        self._given = given or {}
        self._defaults = EXECUTORS

    def executors(self) -> dict[str, list[str]]:
        """Every executor, and its variants."""
        names = dict.fromkeys((*self._defaults, *self._given))
        return {name: list(self._variants(name)) for name in names}

    def profile(self, executor: str, variant: str | None = None, **changes: Any) -> Profile:
        """The settings of a variant (default: DEFAULT), with `changes` of single settings.
        Raises `UnknownProfile`."""
        variant = variant or "DEFAULT"
        variants = self._variants(executor)
        if not variants:
            known = ", ".join(self.executors())
            raise UnknownProfile(f"unknown executor {executor!r}; there are {known}")
        if variant not in variants:
            known = ", ".join(variants)
            raise UnknownProfile(f"executor {executor} has no variant {variant!r}; it has {known}")
        settings = _over(self._base(executor), variants[variant])
        return _profile(executor, variant, _over(settings, Settings(**changes)))

    def document(self, *, own: bool = False) -> dict[str, Any]:
        """All of them in the form of the file. `own`: without those that say what is built in,
        whose paths are this installation's and change with it."""
        found: dict[str, Any] = {}
        for executor in self.executors():
            built_in = self._defaults.get(executor, {})
            variants = {
                variant: {executor: msgspec.to_builtins(settings)}
                for variant, settings in self._variants(executor).items()
                if not own or built_in.get(variant) != settings
            }
            if variants:
                found[executor] = variants
        return {"executors": found}

    def _base(self, executor: str) -> Settings:
        own = self._given.get(executor, {})
        return self._defaults.get(executor, own).get("DEFAULT", Settings())

    def _variants(self, executor: str) -> dict[str, Settings]:
        return {**self._defaults.get(executor, {}), **self._given.get(executor, {})}


def place(env: Mapping[str, str] = os.environ) -> Path:
    """The file of profiles: `$STOKER_PROFILES`, else `profiles.json` or `profiles.yaml` in
    `$XDG_CONFIG_HOME/stoker`; it need not exist."""
    if given := env.get(VARIABLE):
        return Path(given)
    home = env.get("XDG_CONFIG_HOME") or f"{env.get('HOME', '')}/.config"
    files = [Path(home, "stoker", name) for name in NAMES]
    return next((file for file in files if file.exists()), files[0])


def load(file: Path) -> Profiles:
    """Profiles with what the file says, if there is one. Raises `PlanError`, whose problems
    have their places."""
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return Profiles()
    except OSError as error:
        message = error.strerror or str(error)
        raise PlanError([Problem(message=message, file=str(file))]) from error
    return loads(text, name=str(file))


def loads(text: str | bytes, *, name: str) -> Profiles:
    """As `load`, from text that problems call `name`."""
    from stoker.plan.source import parse

    source = parse(text, name=name)
    given: dict[str, dict[str, Settings]] = {}
    problems: list[Problem] = []
    try:
        document = msgspec.convert(source.value, _File)
    except msgspec.ValidationError:
        raise PlanError(source.place(_faults(source.value, _File))) from None
    for path, value in _variants(document):
        try:
            given.setdefault(path[1], {})[path[2]] = msgspec.convert(value, Settings)
        except msgspec.ValidationError:
            problems += _faults(value, Settings, path)
    if not problems:
        problems = list(_incomplete(given))
    if problems:
        raise PlanError(source.place(problems))
    return Profiles(given)


def save(file: Path, document: Any) -> Profiles:
    """Check a document (`{"executors": ...}`) and write what is not built in of it, all or
    nothing. Raises `PlanError` and leaves the file as it was; raises `OSError`."""
    profiles = loads(msgspec.json.format(msgspec.json.encode(document)), name="profiles")
    text = msgspec.json.format(msgspec.json.encode(profiles.document(own=True)))
    whole_file.replace(file, text + b"\n", mode=None)  # JSON is YAML, too
    return profiles


def _faults(value: Any, model: type[Struct], path: tuple[str, ...] = ()) -> list[Problem]:
    from stoker.plan.explain import explain

    return explain(value, model, path)


class _File(Struct, forbid_unknown_fields=True):
    executors: dict[str, dict[str, Any]]


def _variants(document: _File) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each with its place."""
    for executor, variants in document.executors.items():
        for variant, value in variants.items():
            path = ("executors", executor, variant)
            if isinstance(value, dict) and list(value) == [executor]:
                yield (*path, executor), value[executor]
            else:
                yield path, value


def _incomplete(given: Mapping[str, Mapping[str, Settings]]) -> Iterator[Problem]:
    """Executors of the user's own that lack what no default says."""
    profiles = Profiles(given)
    for executor, variants in given.items():
        for variant, settings in variants.items():
            whole = _over(profiles._base(executor), settings)
            path = ("executors", executor, variant)
            if whole.driver is None:
                message = f"executor {executor} is not built in: say its 'driver'"
                yield problem(path, message, on_key=True)
            elif not (whole.command or whole.base_command_override):
                message = f"executor {executor} is not built in: say its 'command'"
                yield problem(path, message, on_key=True)
            if isinstance(whole.network, tuple):
                try:
                    Hosts(whole.network)
                except ValueError as error:
                    yield problem((*path, "network"), str(error))
            if whole.base_command_override is not None:
                try:
                    words = shlex.split(whole.base_command_override)
                except ValueError as error:
                    yield problem((*path, "base_command_override"), f"not words: {error}")
                else:
                    if not words:
                        yield problem((*path, "base_command_override"), "expected a command")


def _over(base: Settings, more: Settings) -> Settings:
    said = {name: value for name, value in asdict(more).items() if value is not None}
    said["env"] = {**base.env, **more.env}
    return replace(base, **said)


def _profile(executor: str, variant: str, settings: Settings) -> Profile:
    override = settings.base_command_override
    command = tuple(shlex.split(override)) if override else settings.command or ()
    if settings.driver is None or not command:
        raise UnknownProfile(f"executor {executor} {variant} has no driver or no command")
    unasked = bool(settings.dangerously_skip_permissions or settings.yolo or settings.auto_approve)
    pause = bool(settings.pause_destructive)
    if pause and settings.asking is None:
        raise UnknownProfile(
            f"executor {executor} {variant} cannot be made to ask before commands, so that those "
            "that destroy something cannot wait for a person; if it can, say by which arguments: "
            "'asking' of its profile"
        )
    asked = settings.approvals
    mode = asked if isinstance(asked, str) else "ask" if asked else "allow"
    return Profile(
        executor=executor,
        variant=variant,
        driver=settings.driver,
        command=command,
        settings=settings,
        policy=Policy(
            mode="allow" if unasked else mode,
            commands=settings.allow_commands or (),
            paths=settings.allow_paths or (),
            pause=(settings.destructive or ()) if pause else None,
        ),
        unasked=unasked and not pause,
        confine=settings.confine or "auto",
        network="on" if settings.network is None else settings.network,
        warm_sec=_WARM_SEC if settings.warm_sec is None else settings.warm_sec,
    )
