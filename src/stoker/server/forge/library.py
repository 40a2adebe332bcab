"""Templates, tags and images."""

from __future__ import annotations

import asyncio
from operator import attrgetter
from typing import Any, Final

from litestar.datastructures import UploadFile
from litestar.params import FromQuery
from litestar.response import Response
from msgspec import Struct
from msgspec.structs import asdict

from stoker.server.forge.envelope import Envelope, Failed, delete, get, ok, post, put, read
from stoker.server.forge.views import shown
from stoker.server.params import App, Asked, Name
from stoker.server.service import Service
from stoker.tasks import images, model
from stoker.tasks.catalog import TaskChange
from stoker.tasks.changes import TagChange, TemplateChange
from stoker.tasks.errors import Invalid

_UPLOAD: Final[dict[str, Any]] = {
    "opt": {"bodies": ("multipart/form-data",)},
    "request_max_body_size": images.LIMIT + (1 << 20),
}


class CreateTemplate(Struct, frozen=True, kw_only=True):
    """A new template."""

    title: str
    template_name: str
    description: str | None = None
    project_id: str | None = None


class UpdateTemplate(Struct, frozen=True, kw_only=True):
    """What is to become of a template; what is missing or null stays."""

    title: str | None = None
    template_name: str | None = None
    description: str | None = None


class CreateTag(Struct, frozen=True, kw_only=True):
    """A new tag."""

    tag_name: str
    content: str


class UpdateTag(Struct, frozen=True, kw_only=True):
    """What is to become of a tag; what is missing or null stays."""

    tag_name: str | None = None
    content: str | None = None


# Templates and tags.


@get("/api/templates")
async def templates(service: App, request: Asked) -> Envelope:
    """All; of no project with `global=true`; of a project, as the client or its types spell it."""
    query = request.query_params
    project_id = query.get("project_id") or query.get("projectId")
    found = await service.tasks.library.templates.all()
    if query.get("global") == "true":
        found = [one for one in found if one.project_id is None]
    elif project_id:
        found = [one for one in found if one.project_id == project_id]
    return ok([shown(one) for one in found])


@get("/api/tags")
async def tags(service: App, search: FromQuery[str] = "") -> Envelope:
    found = await service.tasks.library.tags.all()
    return ok([shown(one) for one in found if search.lower() in one.tag_name.lower()])


def _shelf(
    what: str, new: type[Struct], update: type[Struct], change: type[TagChange | TemplateChange]
) -> tuple[Any, ...]:
    """What else there is to do with records of a type."""
    at, shelf = f"/api/{what}", attrgetter(f"tasks.library.{what}")

    @post(at)
    async def create(service: App, request: Asked) -> Envelope:
        return ok(shown(await shelf(service).add(**asdict(await read(request, new)))))

    @get(f"{at}/{{key:str}}")
    async def show(service: App, key: Name) -> Envelope:
        return ok(shown(await shelf(service).one(key)))

    @put(f"{at}/{{key:str}}")
    async def modify(service: App, request: Asked, key: Name) -> Envelope:
        sent = asdict(await read(request, update))
        said = change(**{name: value for name, value in sent.items() if value is not None})
        return ok(shown(await shelf(service).change(key, said)))

    @delete(f"{at}/{{key:str}}")
    async def remove(service: App, key: Name) -> Envelope:
        await shelf(service).remove(key)
        return ok()

    return create, show, modify, remove


ROUTES = (
    *_shelf("templates", CreateTemplate, UpdateTemplate, TemplateChange),
    *_shelf("tags", CreateTag, UpdateTag, TagChange),
)


# Images.


@post("/api/images/upload", **_UPLOAD)
async def upload(service: App, request: Asked) -> Envelope:
    return ok(_image(await _kept(service, request)))


@post("/api/images/task/{task_id:str}/upload", **_UPLOAD)
async def upload_to_task(service: App, request: Asked, task_id: Name) -> Envelope:
    catalog = service.tasks.catalog
    await catalog.task(task_id)
    kept = await _kept(service, request)
    known = (await catalog.task(task_id)).images
    await catalog.change_task(task_id, TaskChange(images=(*known, kept.image_id)))
    return ok(_image(kept))


@get("/api/images/{image_id:str}/file")
async def image_file(service: App, image_id: Name) -> Response[bytes]:
    image = await service.tasks.library.images.image(image_id)
    file = await service.tasks.library.images.file(image_id)
    headers = {"Cache-Control": "public, max-age=31536000"}
    content = await asyncio.to_thread(file.read_bytes)
    return Response(content, media_type=image.mime_type, headers=headers)


@get("/api/images/task/{task_id:str}")
async def task_images(service: App, task_id: Name) -> Envelope:
    found = await service.tasks.library.images.of_task(task_id)
    return ok([_image(one) for one in found])


@delete("/api/images/{image_id:str}")
async def delete_image(service: App, image_id: Name) -> Envelope:
    await service.tasks.library.images.remove(image_id)
    return ok()


async def _kept(service: Service, request: Asked) -> model.Image:
    """What was sent as `image`, as the server wanted it, or as `file`, as the client calls it."""
    form = await request.form()
    sent = form.get("image") or form.get("file")
    if not isinstance(sent, UploadFile):
        raise Failed("Image not found.", 404)
    data = await sent.read()
    if len(data) > images.LIMIT:
        size = len(data) / (1 << 20)
        message = f"This image is too large ({size:.1f} MB). Maximum file size is 20.0 MB."
        raise Failed(message, 413)
    try:
        return await service.tasks.library.images.add(data, sent.filename)
    except Invalid as error:
        message = "This file type is not supported. Please upload an image file"
        raise Failed(f"{message} (PNG, JPG, GIF, WebP, or BMP).", 400) from error


def _image(one: model.Image) -> dict[str, Any]:
    return shown(one, file_path=f"{images.FOLDER}/{images.file_name(one)}")
