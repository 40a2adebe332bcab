"""Plans: given in a request, or in a file of the server."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from litestar import post
from litestar.status_codes import HTTP_200_OK
from msgspec import Struct

from stoker.plan.errors import PlanError
from stoker.plan.loader import LoadedPlan
from stoker.server.params import App, Asked, sent
from stoker.server.problems import Refused, faults
from stoker.server.service import Service
from stoker.wire.plans import PlanSource, Validation

EXAMPLE = {
    "plan_id": "hello",
    "inputs": {"name": "world"},
    "steps": [{"id": "greet", "run": "echo hello ${{ inputs.name }}"}],
}


class _Plan(Struct):
    plan: msgspec.Raw = msgspec.Raw()


async def load(service: Service, request: Asked, source: PlanSource) -> tuple[LoadedPlan, str]:
    """The plan of a request, and its absolute `cwd`. Raises `PlanError`, `Refused`."""
    if (source.plan is None) == (source.path is None):
        raise Refused(422, "invalid-request", "expected exactly one of `plan` and `path`")
    cwd = service.confined(source.cwd, "cwd")
    if not cwd.is_dir():
        raise Refused(422, "invalid-request", f"cwd: no directory {source.cwd!r}")
    text: bytes | None = None
    if isinstance(source.plan, str):
        text = source.plan.encode()
    elif source.plan is not None:
        text = in_place(await request.body(), _Plan)
    return await service.load(text, source.path, source.variables, str(cwd)), str(cwd)


def in_place(body: bytes, part: type[Struct]) -> bytes:
    """The text of one part of a request's body, with blanks for what is before it, so that lines
    and columns of problems are those of the body. `part` has it as its only field."""
    raw = bytes(getattr(msgspec.json.decode(body, type=part), part.__struct_fields__[0]))
    before = body[: body.rindex(raw)].decode("utf-8", "replace")
    return re.sub(r"[^\n]", " ", before).encode() + raw


@post(
    "/v1/plans:validate",
    tags=["plans"],
    status_code=HTTP_200_OK,
    summary="Check a plan; nothing runs",
)
async def validate(
    service: App,
    request: Asked,
    data: Annotated[PlanSource, sent("a plan", plan=EXAMPLE)],
) -> Validation:
    try:
        loaded, _ = await load(service, request, data)
    except PlanError as error:
        return Validation(
            valid=False, plan_id=None, steps=None, problems=faults(error.problems, above(data))
        )
    return Validation(
        valid=True,
        plan_id=loaded.plan.plan_id,
        steps=len(loaded.plan.steps),
        problems=faults(loaded.warnings, above(data)),
    )


def above(source: PlanSource) -> str:
    """Pointer to the plan in the request's body, if its parts have places there."""
    return "/plan" if isinstance(source.plan, dict) else ""
