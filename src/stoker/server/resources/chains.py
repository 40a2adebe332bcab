"""Chain groups: plans of them, begun batch by batch or by themselves; their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import get
from litestar.response import Response

from stoker.chains.errors import BadGroups
from stoker.chains.group import Batch, ExecutionPlan, GroupReceipt, GroupResult, counted
from stoker.client import api
from stoker.server.params import Accept, App, Asked, LastEvent, Name, whole
from stoker.server.problems import Refused, faults
from stoker.server.route import handler
from stoker.server.service import Service
from stoker.server.streams import SSE, numbered, sse
from stoker.wire.chains import ChainPlan, ExtendRequest, NextRequest, PlanRequest
from stoker.wire.runs import Reason

if TYPE_CHECKING:
    from stoker.chains.orchestrator import ForgeOrchestrator

TAG = "chains"

_GROUP = {
    "description": "Wrap ether",
    "operations": ["wrap 1 ETH into WETH"],
    "dependencies": [],
    "contracts": [["1", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", "WETH"]],
}


def _forge(service: Service) -> ForgeOrchestrator:
    from stoker.chains.orchestrator import ForgeOrchestrator  # who has no groups has no use for it

    return ForgeOrchestrator(service.engine, served=str(service.settings.directory))


async def _plan(request: Asked, service: Service, *, data: PlanRequest, key: Any) -> ExecutionPlan:
    try:
        plan = await _forge(service).set_execution_plan(data.groups, automatic=data.automatic)
    except BadGroups as error:
        raise _refused(error) from None
    service.hub.look()
    return plan


async def _extend(
    request: Asked, service: Service, plan_id: str, *, data: ExtendRequest, key: Any
) -> ExecutionPlan:
    try:
        total = await _forge(service).extend_plan(plan_id, data.groups)
    except BadGroups as error:
        raise _refused(error) from None
    service.hub.look()
    message = f"Execution plan extended by {counted(len(data.groups))}"
    return ExecutionPlan(True, message, total, plan_id)


async def _next(
    request: Asked, service: Service, plan_id: str, *, data: NextRequest, key: Any
) -> list[GroupReceipt] | Batch:
    forge = _forge(service)
    if data.wait:
        return await forge.next_groups(plan_id, wait=True)
    return await forge.next_groups(plan_id)


async def _show(request: Asked, service: Service, plan_id: str, **_: Any) -> ChainPlan:
    forge = _forge(service)
    groups, results = await forge.plan(plan_id), await forge.get_results(plan_id)
    remaining = len(groups) - len(results)
    return ChainPlan(plan_id=plan_id, groups=groups, results=results, remaining_groups=remaining)


async def _cancel(
    request: Asked, service: Service, plan_id: str, *, data: Reason, key: Any
) -> None:
    await _forge(service).cancel(plan_id, data.reason or "canceled")


def _refused(error: BadGroups) -> Refused:
    return Refused(422, "invalid-groups", str(error), errors=faults(error.problems))


ROUTES = (
    handler(
        api.Chains.set_execution_plan,
        "Begin a plan of groups",
        _plan,
        example=("one group", {"groups": [_GROUP]}),
        status=201,
    ),
    handler(api.Chains.show, "A plan, and what came of its groups", _show),
    handler(api.Chains.next_groups, "Have all groups begin that can", _next),
    handler(api.Chains.extend_plan, "Give a plan more groups", _extend),
    handler(api.Chains.cancel, "End what is under way, and begin nothing more", _cancel),
)


@get(
    "/v1/chains/plans/{plan_id:str}/results",
    summary="What came of the groups that are over",
    description="A list as JSON; with `Accept: text/event-stream` one after the other, those that "
    "are over already first, until the plan is over. A stream goes on behind `Last-Event-ID`.",
)
async def results(
    service: App, plan_id: Name, last_event: LastEvent = None, accept: Accept = ""
) -> Response[list[GroupResult]]:
    forge = _forge(service)
    found = await forge.get_results(plan_id)
    if SSE not in accept:
        return Response(found)
    told = numbered(forge.subscribe_results(plan_id), whole(last_event))
    return sse(told, service)  # type: ignore[return-value]
