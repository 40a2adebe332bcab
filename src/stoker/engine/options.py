"""How a run is to be run: what is journaled beside its plan, so that a resume needs no flags."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class RunOptions(Struct, frozen=True, kw_only=True):
    cwd: str
    """Where relative paths of the plan start from; absolute."""
    plan_dir: str | None = None
    """`run.plan_dir`: the directory of the plan file, absolute; default: `cwd`."""
    max_concurrency: int | None = None
    """Steps at once; default: the plan's, else the number of processors."""
    resources: dict[str, float | str] = {}
    """Capacities of named resources that the run was begun with, for an engine of its own."""
    durability: Literal["process", "power"] = "process"
    """What the journal was to survive, for whoever opens it to go on."""
    secrets: tuple[str, ...] = ()
    """Names of the secret inputs that were given, and must be given again to resume; in a nested
    run also of those that hold a secret of its parent's."""
    manual: bool = False
    """Only what `next` releases starts."""
    served: str | None = None
    """The state directory of the server that drives the run; when it starts again, it goes on with
    the run."""
    kept: bool = False
    """Something else refers to the run: retention leaves it alone."""
    request: str | None = None
    """Digest of the request that began the run, if it may be sent again."""
