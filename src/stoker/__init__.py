"""Stoker: a durable executor of plans. See `stoker.api` for a tour.

Every name is imported when it is first used, so that `import stoker` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers know the name; importing typing would cost 10 ms
if TYPE_CHECKING:
    from stoker.api import RunResult as RunResult
    from stoker.api import StepResult as StepResult
    from stoker.api import build as build
    from stoker.api import finish as finish
    from stoker.api import load as load
    from stoker.api import loads as loads
    from stoker.api import open_engine as open_engine
    from stoker.api import run as run
    from stoker.engine.commands import CommandRefused as CommandRefused
    from stoker.engine.engine import Engine as Engine
    from stoker.engine.handle import RunHandle as RunHandle
    from stoker.engine.machine import Receipt as Receipt
    from stoker.engine.options import RunOptions as RunOptions
    from stoker.engine.run import Outcome as Outcome
    from stoker.journal.base import JournalError as JournalError
    from stoker.journal.base import RunBusy as RunBusy
    from stoker.journal.base import RunExists as RunExists
    from stoker.journal.base import UnknownRun as UnknownRun
    from stoker.journal.events import Event as Event
    from stoker.plan.errors import PlanError as PlanError
    from stoker.plan.errors import Problem as Problem
    from stoker.plan.model import Approval as Approval
    from stoker.plan.model import CircuitBreaker as CircuitBreaker
    from stoker.plan.model import Globals as Globals
    from stoker.plan.model import Input as Input
    from stoker.plan.model import Plan as Plan
    from stoker.plan.model import Retry as Retry
    from stoker.plan.model import Step as Step

_MODULES = {
    "stoker.api": (
        "RunResult",
        "StepResult",
        "build",
        "finish",
        "load",
        "loads",
        "open_engine",
        "run",
    ),
    "stoker.engine.engine": ("Engine",),
    "stoker.engine.handle": ("RunHandle",),
    "stoker.engine.machine": ("Receipt",),
    "stoker.engine.options": ("RunOptions",),
    "stoker.engine.commands": ("CommandRefused",),
    "stoker.engine.run": ("Outcome",),
    "stoker.journal.base": ("JournalError", "RunBusy", "RunExists", "UnknownRun"),
    "stoker.journal.events": ("Event",),
    "stoker.plan.errors": ("PlanError", "Problem"),
    "stoker.plan.model": (
        "Approval",
        "CircuitBreaker",
        "Globals",
        "Input",
        "Plan",
        "Retry",
        "Step",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = list(_MODULE_OF)


if not TYPE_CHECKING:  # else no type checker could tell a misspelt name

    def __getattr__(name):  # noqa: ANN001, ANN202
        module = _MODULE_OF.get(name)
        if module is None:
            raise AttributeError(f"module 'stoker' has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(module), name)
        return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
