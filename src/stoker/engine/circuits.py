"""Circuit breakers: when to leave a failing tool alone.

A circuit is closed; so many consecutive failures open it; after a pause it is half open
and lets one probe through, whose end closes or opens it again. `admit` and `report` are
pure; `Circuits` keeps the result in the journal, shared by every run on it.
"""

from __future__ import annotations

from msgspec.structs import replace

from stoker.journal.base import Circuit, Journal
from stoker.plan.model import CircuitBreaker


def admit(
    circuit: Circuit, breaker: CircuitBreaker, who: str, now: float
) -> tuple[Circuit, float | None]:
    """The circuit after `who` asked to start, and None (go) or the seconds to wait."""
    if circuit.state == "closed":
        return circuit, None
    opened = circuit.opened_at if circuit.opened_at is not None else now
    # Never longer than the pause itself, also after the clock was set back.
    left = min(opened + breaker.reset_timeout_sec - now, breaker.reset_timeout_sec)
    if circuit.state == "open" and left > 0:
        return circuit, left
    if circuit.state == "half_open" and circuit.probe != who and left > -breaker.reset_timeout_sec:
        # Somebody probes. A probe that never came back is given up after another pause.
        return circuit, max(left + breaker.reset_timeout_sec, 0.05)
    return replace(
        circuit, state="half_open", probe=who, opened_at=now - breaker.reset_timeout_sec
    ), None


def report(
    circuit: Circuit, breaker: CircuitBreaker, who: str, *, succeeded: bool, now: float
) -> Circuit:
    """The circuit after an attempt of its tool ended."""
    if succeeded:
        return replace(circuit, state="closed", failures=0, opened_at=None, probe=None)
    failures = circuit.failures + 1
    probed = circuit.state == "half_open" and circuit.probe == who
    if probed or (circuit.state == "closed" and failures >= breaker.failure_threshold):
        return replace(circuit, state="open", failures=failures, opened_at=now, probe=None)
    return replace(circuit, failures=failures)


class Circuits:
    """The breakers of all tools, in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def admit(
        self, tool: str, breaker: CircuitBreaker, who: str, now: float
    ) -> str | float | None:
        """None: go ahead. Seconds: ask again then. A text: fail at once, and why."""
        while True:
            old = await self._journal.circuit(tool)
            new, wait = admit(old, breaker, who, now)
            if wait is not None and breaker.on_open == "fail":
                return f"the circuit of {tool!r} is open after {old.failures} failures"
            if new == old or await self._journal.put_circuit(new):
                return wait

    async def report(
        self, tool: str, breaker: CircuitBreaker, who: str, *, succeeded: bool, now: float
    ) -> Circuit | None:
        """Count an attempt's end; returns the circuit if its state changed."""
        while True:
            old = await self._journal.circuit(tool)
            new = report(old, breaker, who, succeeded=succeeded, now=now)
            if new == old:
                return None
            if await self._journal.put_circuit(new):
                return new if new.state != old.state else None
