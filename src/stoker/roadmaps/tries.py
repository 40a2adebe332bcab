"""The tries of a unit so far, read from the journal, and what follows from them. Pure but for
reading: the next try is the same whenever it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from stoker.agents.transcript import used
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.outputs import artefact
from stoker.engine.state import RunState, StepState
from stoker.roadmaps import failures
from stoker.roadmaps.evidence import Category, Evidence, Fault
from stoker.roadmaps.failures import Failure
from stoker.roadmaps.parts import Part
from stoker.roadmaps.settings import Options
from stoker.roadmaps.suggest import Suggestion

AGENT: Final = "agent"
ASK: Final = "ask"
VERIFY: Final = "verify"
JUDGE: Final = "judge"
ACCEPT: Final = "accept"
REVIEW: Final = "review"
MERGE: Final = "merge"
SPLIT: Final = "split"
PARTS: Final = "parts"
"""Steps of a try."""
PART: Final = "part"
CHECK: Final = "check"
"""And of its parts, with their numbers."""
MOST_CONFLICTS: Final = 5
"""Of one task, in a row."""
_TELLING: Final = frozenset(("roadmap-split", "roadmap-verify", "roadmap-accept", "roadmap-merge"))


class Reviewed(Struct, frozen=True, kw_only=True):
    """Work that was verified and is still to be reviewed."""

    run: str
    """In which it was verified."""
    base: str
    commit: str


class Try(Struct, frozen=True, kw_only=True):
    """One try, once it is over."""

    number: int
    run_id: str
    """Of the nested run."""
    outcome: Literal["merged", "failed", "refused", "lost"]
    """`refused`: a person said no. `lost`: a crash or a cancellation ended it."""
    failure: Failure | None = None
    error: str = ""
    """In a sentence."""
    base: str = ""
    commit: str = ""
    """Of the work, or, merged, of the checkpoint."""
    digest: str = ""
    """Of what it changed."""
    evidence: Evidence | None = None
    suggestions: tuple[Suggestion, ...] = ()
    """What may help the next, the best first."""
    conflicts: tuple[str, ...] = ()
    summary: str = ""
    parts: tuple[Part, ...] = ()
    """That its task was divided into."""
    done: int = 0
    """How many of them are verified."""
    reviewed: Reviewed | None = None
    """Nothing but its review failed, which has come to no verdict."""
    tokens: int = 0
    cost_usd: float = 0.0
    began: float = 0.0
    ended: float = 0.0

    @property
    def category(self) -> Category | None:
        """Of what went wrong."""
        return self.failure.category if self.failure else None

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What was found wrong."""
        return self.failure.faults if self.failure else ()


class Next(Struct, frozen=True, kw_only=True):
    """What is to be done after some tries."""

    again: bool
    reason: str = ""
    """Why not; or, with `ask`, what a person is asked."""
    ask: bool = False
    carry: bool = False
    """The next try goes on with the work of the last."""
    other_way: bool = False
    """The next try is told to take another approach."""
    trim: bool = False
    """It is told less."""
    split: bool = False
    """Its task is to be divided."""
    parts: tuple[Part, ...] = ()
    """It goes on with these."""
    done: int = 0
    """Of which so many are verified."""
    reviewed: Reviewed | None = None
    """It only reviews that."""
    not_before: float = 0.0


def read(number: int, state: RunState, runs: Path | None = None) -> Try:
    """A try, from its run, and from what its agents tell that did not live to say what they have
    used. Raises `OSError`."""
    steps = {step.step.id: step for step in state.steps}
    kinds = {name: (step.step.step_def or {}).get("type") for name, step in steps.items()}
    agents = [step for name, step in steps.items() if kinds[name] == "agent"]
    told = {
        key: value
        for name, step in steps.items()
        if kinds[name] in _TELLING
        for key, value in step.outputs.items()
    }
    accept = steps.get(ACCEPT)
    evidence = evidence_of(told.get("evidence"))
    if accept is not None and evidence is not None and evidence.verdict == "unverified":
        evidence = evidence_of(accept.outputs.get("evidence"))  # merging has looked at tests only
    outcome, failure, error = _outcome(state, steps, evidence, told)
    directory = runs / state.run_id if runs else None
    paid = [_used(agent, directory) for agent in agents]
    base, work = (_definition(state, name) for name in ("base", "work"))
    commit = str(told.get("checkpoint") or told.get("commit") or work)
    told_of = state.plan.metadata
    parts = told.get("parts") or told_of.get("parts", ())
    passed = (step.outputs.get("verdict") for name, step in steps.items() if name.startswith(CHECK))
    done = told_of.get("done", 0) + sum(verdict not in (None, "failed") for verdict in passed)
    judge = steps.get(JUDGE)
    reviewed = None
    if judge is not None and judge.status == "failed" and commit:
        run = (accept.step.step_def or {}).get("run") if accept else None
        reviewed = Reviewed(run=run or state.run_id, base=base, commit=commit)
    return Try(
        number=number,
        run_id=state.run_id,
        outcome=outcome,
        failure=failure,
        error=error,
        base=base,
        commit=commit,
        digest=str(told.get("digest", "")),
        evidence=evidence,
        suggestions=msgspec.convert(told.get("suggestions", ()), tuple[Suggestion, ...]),
        conflicts=tuple(told.get("conflicts", ())),
        summary=next(filter(None, (_summary(one) for one in reversed(agents))), ""),
        parts=msgspec.convert(parts, tuple[Part, ...]),
        done=done,
        reviewed=reviewed,
        tokens=sum(tokens for tokens, _ in paid),
        cost_usd=sum(cost for _, cost in paid),
        began=state.started_at or state.created_at or 0.0,
        ended=state.finished_at or 0.0,
    )


def _outcome(
    state: RunState,
    steps: dict[str, StepState],
    evidence: Evidence | None,
    told: dict[str, Any],
) -> tuple[Literal["merged", "failed", "refused", "lost"], Failure | None, str]:
    if told.get("checkpoint") is not None:
        return "merged", None, ""
    for name in (ASK, REVIEW):
        if (step := steps.get(name)) is not None and step.status == "failed":
            return "refused", None, step.reason or "a person said no"
    if state.status not in RUN_OVER or state.status == "canceled":
        return "lost", None, state.reason or ""
    failure: Failure | None
    step = next((one for one in state.steps if one.status == "failed"), None)
    if step is not None:
        if (step.step.step_def or {}).get("type") == "agent":
            failure = failures.of_agent(step.reason or "")
        else:  # verifying or merging could not be done: disk full, a dirty tree
            failure = Failure(category="tool_failure", message=step.reason or "")
    elif told.get("conflicts"):
        failure = failures.of_conflict(told["conflicts"])
    else:
        failure = failures.of_evidence(evidence) if evidence is not None else None
    if failure is None:
        return "lost", None, state.reason or ""
    return "failed", failure, failures.line(failure)


def decide(tries: Sequence[Try], options: Options) -> Next:
    """Whether there is another try, and how it begins."""
    past = [one for one in tries if one.outcome != "lost"]
    if not past:
        return Next(again=True)
    last = past[-1]
    if last.failure is None:
        return Next(again=False, reason=last.error)
    carry = options.strategy != "rollback_failed" and bool(last.commit)
    if last.category == "conflict":
        conflicts = failures.streak(past, lambda one: one.category == "conflict")
        if conflicts > MOST_CONFLICTS:
            return Next(again=False, reason=f"{conflicts} merges in a row conflicted")
        return Next(again=True, carry=True)
    failed = [one.failure for one in _counted(past) if one.failure]
    decision = failures.decide(failed, attempts=attempts(options))
    divided = next((one for one in reversed(past) if one.parts), None)
    parts: dict[str, Any] = {}
    if divided is not None and divided.done < len(divided.parts):
        parts = {"parts": divided.parts, "done": divided.done if carry else 0}
    if decision.action == "pause":
        wait = last.ended + (decision.pause_sec or 0.0)
        return Next(again=True, carry=carry, not_before=wait, reviewed=last.reviewed, **parts)
    if decision.action == "skip":
        return Next(again=False, reason=decision.reason)
    if options.strategy == "manual":
        why = f"try {last.number} failed: {last.error}"
        return Next(again=True, carry=carry, ask=True, reason=why)
    if last.reviewed is not None and decision.action == "retry":
        return Next(again=True, reviewed=last.reviewed)
    if decision.action == "decompose" and divided is None:
        return Next(again=True, carry=carry, split=True, reason=decision.reason)
    if parts:
        return Next(again=True, carry=carry, trim=decision.trim, **parts)
    stuck = stuck_for([one for one in past if one.category != "conflict"])
    if decision.action in ("escalate", "rewrite") or stuck >= 2:
        reason = decision.reason if stuck < 2 else f"{stuck + 1} tries changed the same"
        return Next(again=True, ask=True, other_way=True, reason=reason)
    other = decision.fresh or stuck > 0
    return Next(again=True, carry=carry and not other, other_way=other, trim=decision.trim)


def attempts(options: Options) -> int:
    """How many tries may fail by themselves: for no conflict, and not because a provider asks to
    wait."""
    return 1 if options.strategy == "skip" else options.retries + 1


def is_last(past: Sequence[Try], options: Options) -> bool:
    """If one more try fails, there is no other."""
    counted = [one for one in _counted(past) if one.category != "rate_limit"]
    return len(counted) + 1 >= attempts(options)


def _counted(past: Sequence[Try]) -> list[Try]:
    """The tries that failed, but for conflicts, since the last one that has got a part further."""
    begin, furthest = 0, -1
    for place, one in enumerate(past):
        if one.parts and one.done > furthest:
            begin, furthest = place, one.done
    return [one for one in past[begin:] if one.failure and one.category != "conflict"]


def stuck_for(tries: Sequence[Try]) -> int:
    """How many of the last tries made the same changes as the one before each."""
    same = [bool(one.digest) and one.digest == two.digest for one, two in pairwise(tries)]
    return failures.streak(same, bool)


def _used(agent: StepState, run: Path | None) -> tuple[int, float]:
    """Tokens and dollars of all attempts of a step."""
    counted = agent.outputs.get("tokens")
    if run is not None and (agent.number > 1 or not isinstance(counted, dict)):
        return used(run, agent.step.id)
    tokens = sum(counted.get(name, 0) for name in ("input", "output")) if counted else 0
    return tokens, float(agent.outputs.get("cost_usd") or 0.0)


def tokens(state: RunState) -> int:
    """What the agents of a try have used that have said so."""
    return sum(_used(step, None)[0] for step in state.steps)


def _summary(agent: StepState) -> str:
    return str(agent.outputs.get("summary") or "")


def _definition(state: RunState, name: str) -> str:
    """What the first step that says something of it says, if that is no template."""
    found = ((step.step.step_def or {}).get(name) for step in state.steps)
    value = str(next((one for one in found if one is not None), ""))
    return "" if "${{" in value else value


def evidence_of(value: Any) -> Evidence | None:
    """What an output holds, or the artefact that it names. Raises `OSError`."""
    if (path := artefact(value)) is not None:
        value = msgspec.json.decode(Path(path).read_bytes())
    return None if value is None else msgspec.convert(value, Evidence)
