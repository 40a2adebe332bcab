"""Kind `roadmap-accept`: what a second agent said of a try, as evidence."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from stoker.engine.kinds import Attempt, Result
from stoker.engine.nested import replayed
from stoker.plan.model import Step
from stoker.roadmaps.bench import opened
from stoker.roadmaps.evidence import Evidence, Fault
from stoker.roadmaps.tries import VERIFY, evidence_of
from stoker.roadmaps.verify.verdict import accepted
from stoker.steps.kind import BaseKind, Definition

_VERDICT: Final = re.compile(r"^\W*verdict\W+(accept|refuse)\w*\W*$", re.IGNORECASE | re.MULTILINE)
_POINT: Final = re.compile(r"^ *[-*] +(.*\S)", re.MULTILINE)
_PLACE: Final = re.compile(r"`?((?:[\w.-]+/)*[\w-]+\.\w+):(\d+)")
_MOST: Final = 20
_TEXT: Final = 2_000


class Accept(Definition, frozen=True):
    """A review."""

    said: str
    """The reviewer's last message."""
    reviewer: str
    """Its profile."""
    run: str = ""
    """The try that has verified the work; default: this one."""


class AcceptKind(BaseKind[Accept]):
    """Outputs: `accepted`, a verdict, and `evidence`, which goes before the verification's."""

    name = "roadmap-accept"
    definition = Accept
    takes_slot = False

    async def start(self, step: Step, definition: Accept, attempt: Attempt) -> Result:
        """A look at the journal."""
        bench = await attempt.shared(opened)
        state = await replayed(bench.journal, definition.run or attempt.run_id)
        verified = evidence_of(state[VERIFY].outputs.get("evidence"))
        assert verified is not None  # noqa: S101 - this step comes after it
        evidence = judged(verified, definition.said, definition.reviewer)
        attempt.write(f"{evidence.verdict}: {evidence.reason}\n")
        built = msgspec.to_builtins(evidence)
        return Result(exit_code=0, outputs={"accepted": evidence.verdict, "evidence": built})


def judged(evidence: Evidence, said: str, reviewer: str) -> Evidence:
    """`evidence` and what the reviewer said. Who gives no verdict has not accepted it."""
    verdicts = _VERDICT.findall(said)
    if verdicts and verdicts[-1].lower() == "accept":
        proof = f"; {evidence.reason}" if evidence.verdict == "verified" else ""
        return accepted(evidence, (), f"{reviewer} has reviewed and accepts it{proof}")
    if not verdicts:
        message = f"{reviewer}, who reviews it, gave no verdict: {said.strip()[-_TEXT:]}"
        fault = Fault(category="tool_failure", message=message)
        return accepted(evidence, (fault,), message.partition("\n")[0])
    points = _POINT.findall(said) or [_VERDICT.sub("", said).strip()[-_TEXT:]]
    faults = []
    for point in points[:_MOST]:
        place = _PLACE.search(point)
        faults.append(
            Fault(
                category="incomplete",
                message=f"{reviewer} refuses it: {point[:_TEXT]}",
                path=place[1] if place else "",
                line=int(place[2]) if place else 0,
            )
        )
    return accepted(evidence, faults, faults[0].message)


KIND = AcceptKind()
