"""What goes wrong with a group. Each ends one group, and its message is for a person: it names what
was found, where, and what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stoker.chains.solidity.compilation import Diagnostic
from stoker.plan.errors import Problem


class ChainError(Exception):
    """A group cannot go on."""


class BadGroups(ChainError):
    """The groups are no plan. `problems`: all that is wrong; `told`: each for a person, with its
    JSON pointer, or its line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        self.told = tuple(
            f"{one.pointer}: {one.message}".removeprefix(": ") if one.line is None else str(one)
            for one in self.problems
        )
        super().__init__("; ".join(self.told))


class UnknownPlan(ChainError):
    """There is none of that id."""

    def __init__(self, plan_id: str) -> None:
        super().__init__(f"there is no plan {plan_id}")


class RpcError(ChainError):
    """A chain's RPC is down, slow, limits us, lies about its id, or has lost the pinned block."""

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class SourcesMissing(ChainError):
    """Contracts without code or a verified source, or that could not be fetched in time.
    `missing`: what each lacks, by chain and address."""

    def __init__(self, missing: Mapping[tuple[int, str], str]) -> None:
        super().__init__("; ".join(missing.values()))
        self.missing = dict(missing)


class CompileFailed(ChainError):
    """solc refused a script."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(str(one) for one in diagnostics))
        self.diagnostics = tuple(diagnostics)


class ScriptRefused(ChainError):
    """A script uses what none may: a cheatcode outside the list, a chain it was not given."""


class ScriptReverted(ChainError):
    """A script, or a transaction that it broadcasts, failed."""


class AuditFailed(ChainError):
    """What a script did is not what was meant, or not what it does when it is sent."""


class LimitReached(ChainError):
    """A script took more gas, time or memory than it may."""


class ModelFailed(ChainError):
    """The model could not be asked, or gave no valid answer in the attempts it has."""


class NotMended(ChainError):
    """A script fails, and the script agent found no other within its limits."""


MENDABLE = (CompileFailed, ScriptRefused, ScriptReverted, AuditFailed, LimitReached)
"""What another script may do better."""
