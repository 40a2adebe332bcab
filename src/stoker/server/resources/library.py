"""Images, tags and templates."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.params import FromQuery
from litestar.response import Response

from stoker.client import api, work
from stoker.server.params import App, Name
from stoker.server.route import route
from stoker.tasks.images import LIMIT, Images
from stoker.tasks.library import Shelf
from stoker.wire.library import TemplateList

TAG = "library"


def _shelf(of: Any, what: str, summary: str, example: dict[str, Any]) -> tuple[Any, ...]:
    """Routes of records of a type."""
    part = f"library.{what}s"
    return (
        route(of.add, summary, Shelf.add, part=part, example=("one", example), status=201),
        route(of.show, f"One {what}", Shelf.one, part=part),
        route(of.change, f"Change a {what}", Shelf.change, part=part),
        route(of.remove, f"Forget a {what}", Shelf.remove, part=part),
    )


ROUTES = (
    route(
        work.Images.add,
        "Keep an image, for tasks and prompts to name",
        Images.add,
        example=("a header", {"name": "a.gif", "data": "R0lGODlhAQABAAAAADs="}),
        status=201,
        request_max_body_size=2 * LIMIT,
    ),
    route(work.Images.show, "What is known of an image", Images.image),
    route(work.Images.remove, "Forget an image", Images.remove),
    route(api.Tasks.images, "The images of a task", Images.of_task),
    route(work.Tags.list, "All tags", Shelf.all, part="library.tags"),
    *_shelf(
        work.Tags,
        "tag",
        "A text for prompts, by its name",
        {"tag_name": "brief", "content": "Be brief."},
    ),
    *_shelf(
        work.Templates,
        "template",
        "What tasks of a kind begin with",
        {"template_name": "A bug", "title": "Fix the bug that …"},
    ),
)


@get("/v1/images/{image_id:str}/file", summary="An image")
async def image_file(service: App, image_id: Name) -> Response[bytes]:
    images = service.tasks.library.images
    found = await images.image(image_id)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, immutable"}
    return Response(await images.read(image_id), media_type=found.mime_type, headers=headers)


@get("/v1/templates", summary="Templates: all, or those that a project has")
async def templates(service: App, project_id: FromQuery[str | None] = None) -> TemplateList:
    return TemplateList(await service.tasks.library.templates_for(project_id))


def document(paths: dict[str, Any]) -> None:
    """See `stoker.server.resources`."""
    shown = paths["/v1/images/{image_id}/file"]["get"]["responses"]["200"]
    kinds = ("png", "jpeg", "gif", "webp", "bmp")
    shown["content"] = {f"image/{kind}": {"schema": {"type": "string"}} for kind in kinds}
