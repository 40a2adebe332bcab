"""Images, tags and templates."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import delete, get, patch, post
from litestar.params import FromQuery, JSONBody
from litestar.response import Response

from stoker.server.params import App, Name, sent
from stoker.tasks.changes import TagChange, TemplateChange
from stoker.tasks.images import LIMIT
from stoker.tasks.model import Image, Tag, Template
from stoker.wire.library import (
    ImageList,
    ImageRequest,
    TagList,
    TagRequest,
    TemplateList,
    TemplateRequest,
)

TAG = "library"


@post(
    "/v1/images",
    request_max_body_size=2 * LIMIT,
    summary="Keep an image, for tasks and prompts to name",
)
async def add_image(
    service: App,
    data: Annotated[ImageRequest, sent("a header", name="a.gif", data="R0lGODlhAQABAAAAADs=")],
) -> Image:
    return await service.tasks.library.images.add(data.data, data.name)


@get("/v1/images/{image_id:str}", summary="What is known of an image")
async def image(service: App, image_id: Name) -> Image:
    return await service.tasks.library.images.image(image_id)


@get("/v1/images/{image_id:str}/file", summary="An image")
async def image_file(service: App, image_id: Name) -> Response[bytes]:
    images = service.tasks.library.images
    found = await images.image(image_id)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, immutable"}
    return Response(await images.read(image_id), media_type=found.mime_type, headers=headers)


@delete("/v1/images/{image_id:str}", summary="Forget an image")
async def remove_image(service: App, image_id: Name) -> None:
    await service.tasks.library.images.remove(image_id)


@get("/v1/tasks/{task_id:str}/images", summary="The images of a task")
async def task_images(service: App, task_id: Name) -> ImageList:
    return ImageList(await service.tasks.library.images.of_task(task_id))


@get("/v1/tags", summary="All tags")
async def tags(service: App) -> TagList:
    return TagList(await service.tasks.library.tags())


@post("/v1/tags", summary="A text for prompts, by its name")
async def add_tag(
    service: App,
    data: Annotated[TagRequest, sent("one", tag_name="brief", content="Be brief.")],
) -> Tag:
    return await service.tasks.library.add_tag(data.tag_name, data.content)


@get("/v1/tags/{tag_id:str}", summary="One tag")
async def tag(service: App, tag_id: Name) -> Tag:
    return await service.tasks.library.tag(tag_id)


@patch("/v1/tags/{tag_id:str}", summary="Change a tag")
async def change_tag(service: App, tag_id: Name, data: JSONBody[TagChange]) -> Tag:
    return await service.tasks.library.change_tag(tag_id, data)


@delete("/v1/tags/{tag_id:str}", summary="Forget a tag")
async def remove_tag(service: App, tag_id: Name) -> None:
    await service.tasks.library.remove_tag(tag_id)


@get("/v1/templates", summary="Templates: all, or those that a project has")
async def templates(service: App, project_id: FromQuery[str | None] = None) -> TemplateList:
    return TemplateList(await service.tasks.library.templates(project_id))


@post("/v1/templates", summary="What tasks of a kind begin with")
async def add_template(
    service: App,
    data: Annotated[
        TemplateRequest, sent("one", template_name="A bug", title="Fix the bug that …")
    ],
) -> Template:
    return await service.tasks.library.add_template(
        data.template_name, data.title, data.description, data.project_id
    )


@get("/v1/templates/{template_id:str}", summary="One template")
async def template(service: App, template_id: Name) -> Template:
    return await service.tasks.library.template(template_id)


@patch("/v1/templates/{template_id:str}", summary="Change a template")
async def change_template(
    service: App, template_id: Name, data: JSONBody[TemplateChange]
) -> Template:
    return await service.tasks.library.change_template(template_id, data)


@delete("/v1/templates/{template_id:str}", summary="Forget a template")
async def remove_template(service: App, template_id: Name) -> None:
    await service.tasks.library.remove_template(template_id)


def document(paths: dict[str, Any]) -> None:
    """See `stoker.server.resources`."""
    shown = paths["/v1/images/{image_id}/file"]["get"]["responses"]["200"]
    kinds = ("png", "jpeg", "gif", "webp", "bmp")
    shown["content"] = {f"image/{kind}": {"schema": {"type": "string"}} for kind in kinds}
