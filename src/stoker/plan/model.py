"""The plan document: what a user writes, decoded and immutable.

A plan is pure data. Nothing here knows of clocks, processes or databases, and
nothing here is normalised beyond what decoding gives: defaults that depend on
`globals` are resolved by `stoker.engine.profile`, so a plan written back out is
the plan that was read.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

Scalar = str | int | float | bool | None

FailurePolicy = Literal["abort", "skip_dependents", "continue", "fallback_step"]
InterruptPolicy = Literal["rerun", "quarantine", "adopt"]


class Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of everything in a plan file: immutable, and strict about unknown fields."""


class Input(Document, frozen=True):
    """One named value the plan is given from outside."""

    default: Any = None
    required: bool = False
    secret: bool = False
    """Never stored, and redacted from logs, events and error messages."""
    description: str = ""


class CircuitBreaker(Document, frozen=True):
    """When to stop calling a tool that keeps failing."""

    failure_threshold: int = 5
    """Consecutive failures that open the circuit."""
    reset_timeout_sec: float = 60.0
    """How long an open circuit waits before it lets one probe through."""
    on_open: Literal["wait", "fail"] = "wait"


class Globals(Document, frozen=True):
    """What holds for every step unless the step says otherwise."""

    max_concurrency: int | None = None
    default_timeout_sec: float | None = None
    max_step_duration_sec: float | None = None
    """Hard limit for any step, over all its attempts and the pauses between them."""
    max_run_duration_sec: float | None = None
    env: dict[str, Scalar] = field(default_factory=dict)
    cwd: str | None = None
    default_retries: int = 0
    circuit_breaker: CircuitBreaker | None = None
    resources: dict[str, float | str] = field(default_factory=dict)
    """Capacities of named resources, for example `{"gpu": 2, "memory": "8GiB"}`."""


class Retry(Document, frozen=True):
    """How long to wait before the next attempt, and after which failures."""

    delay_sec: float = 0.0
    backoff: float = 2.0
    """Factor by which each delay grows; 1 keeps it constant."""
    max_delay_sec: float = 300.0
    jitter: float = 0.1
    """Share of the delay drawn at random, 0 to 1, so that retries do not align."""
    on_exit_codes: tuple[int, ...] | None = None
    """Retry only after these exit codes; None: after any failure."""


class Approval(Document, frozen=True):
    """A person's yes, needed before the step starts."""

    prompt: str = ""
    timeout_sec: float | None = None
    default: Literal["approve", "reject"] = "reject"
    """The answer when the timeout passes."""


class Step(Document, frozen=True):
    """One node of the graph."""

    id: str
    name: str = ""
    description: str = ""
    # What to do: exactly one of `command`, `run`, `step_def`.
    command: str | None = None
    args: tuple[Scalar, ...] = ()
    shell: bool = False
    """Run `command` and `args` as one shell line (plans of the older orchestrator)."""
    run: str | None = None
    """A line for `sh -c`."""
    step_def: dict[str, Any] | None = None
    """`{type, ...}`; each kind of step decodes its own fields."""
    cwd: str | None = None
    env: dict[str, Scalar] = field(default_factory=dict)
    stdin: str | None = None
    # When to do it.
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    skip_if: str | tuple[str, ...] | None = None
    provides: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()
    strict_outputs: bool | None = None
    locks: tuple[str, ...] = ()
    resources: dict[str, float | str] = field(default_factory=dict)
    foreach: str | tuple[Any, ...] | None = None
    """A list, or an expression that yields one when the step becomes ready."""
    matrix: dict[str, Any] | None = None
    """Axes (name -> list), with optional `include` and `exclude` lists of maps."""
    inputs_files: tuple[str, ...] = ()
    outputs_files: tuple[str, ...] = ()
    approval: Approval | bool | None = None
    # What if.
    timeout_sec: float | None = None
    retries: int | None = None
    retry: Retry | None = None
    retry_delay_sec: float | None = None
    """Older spelling of `retry.delay_sec`."""
    on_failure: FailurePolicy = "abort"
    fallback_step: str | None = None
    critical: bool = True
    tool: str | None = None
    """Circuit-breaker key; default: the command's base name, or the kind."""
    on_interrupt: InterruptPolicy | None = None
    """What a crash of the engine means for an attempt that was running; default: the kind's."""
    effects: Literal["once"] | None = None
    """`once`: the start is fsynced, and an unknown outcome is a person's to settle."""
    # For people and tools; never read by the engine.
    tags: tuple[str, ...] = ()
    ui_hints: dict[str, Any] = field(default_factory=dict)


class Plan(Document, frozen=True):
    """A graph of steps, as written in `plan.json` or `plan.yaml`."""

    plan_id: str
    version: str | int | float = "1"
    name: str = ""
    description: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Input | Scalar] = field(default_factory=dict)
    """A plain value is short for `{default: value}`."""
    globals: Globals = field(default_factory=Globals)
    strict_outputs: bool = False
    steps: tuple[Step, ...] = ()
    tags: tuple[str, ...] = ()
    ui_hints: dict[str, Any] = field(default_factory=dict)
    schema_uri: str | None = field(default=None, name="$schema")
    """Where editors find the JSON Schema of this document."""
