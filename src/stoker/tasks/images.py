"""Pictures that belong to tasks and prompts: their files beside the journal, and copies of them
in the worktrees of agents that are to look at them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stoker import whole_file
from stoker.journal.base import Journal
from stoker.tasks.errors import Conflict, Invalid
from stoker.tasks.model import Image
from stoker.tasks.store import IMAGES, TASKS
from stoker.workspace import copying

FOLDER: Final = ".stoker-images"
"""In a worktree; ignores itself."""
LIMIT: Final = 20 << 20
"""Bytes of one."""
_TYPES: Final = {
    b"\x89PNG\r\n\x1a\n": ("image/png", "png"),
    b"\xff\xd8\xff": ("image/jpeg", "jpg"),
    b"GIF87a": ("image/gif", "gif"),
    b"GIF89a": ("image/gif", "gif"),
    b"BM": ("image/bmp", "bmp"),
}
_EXTENSIONS: Final = {**dict(_TYPES.values()), "image/webp": "webp"}
_YOUNG_SEC: Final = 3600.0
"""A file without a record that is younger may be about to get one."""


class Images:
    """Of one journal; `directory`: of the state."""

    def __init__(self, journal: Journal, directory: Path) -> None:
        self._journal = journal
        self._directory = directory / "images"

    async def add(self, data: bytes, name: str, mime_type: str | None = None) -> Image:
        """Keep an image. What it is, its first bytes say; `mime_type` must not say otherwise.
        Raises `Invalid`. The file is there before the record: a crash between leaves one that
        `sweep` deletes."""
        if len(data) > LIMIT:
            raise Invalid(f"image: expected {LIMIT} bytes at most, found {len(data)}")
        found = _type(data)
        if found is None:
            raise Invalid(f"image: {name!r} is no PNG, JPEG, GIF, WebP or BMP")
        if mime_type and mime_type.startswith("image/") and mime_type != found:
            raise Invalid(f"image: {name!r} is {found}, not {mime_type}")
        now = time.time()
        image = Image(
            image_id=str(uuid.uuid4()),
            original_name=os.path.basename(name)[:255] or "image",  # noqa: PTH119 - not a path here
            mime_type=found,
            size_bytes=len(data),
            hash=hashlib.sha256(data).hexdigest(),
            created_at=now,
            updated_at=now,
        )
        await asyncio.to_thread(self._write, file_name(image), data)
        async with self._journal.transaction() as session:
            await IMAGES.add(session, image)
        return image

    async def image(self, image_id: str) -> Image:
        """Raises `Unknown`."""
        (found,) = await self.known((image_id,))
        return found

    async def file(self, image_id: str) -> Path:
        """Where it is. Raises `Unknown`."""
        return self._directory / file_name(await self.image(image_id))

    async def read(self, image_id: str) -> bytes:
        """What is in it. Raises `Unknown`."""
        return await asyncio.to_thread((await self.file(image_id)).read_bytes)

    async def known(self, image_ids: Sequence[str]) -> list[Image]:
        """Those with these ids, in this order. Raises `Unknown`."""
        async with self._journal.snapshot() as session:
            return [await IMAGES.known(session, image_id) for image_id in image_ids]

    async def remove(self, image_id: str) -> None:
        """Forget an image, also in the tasks it belongs to; copies in worktrees stay. Raises
        `Unknown`. A file that a crash leaves is deleted by `sweep`."""
        from msgspec.structs import replace

        image = await self.image(image_id)
        async with self._journal.transaction() as session:
            for task in await TASKS.find(session):
                if image_id in task.images:
                    left = tuple(one for one in task.images if one != image_id)
                    await TASKS.put(session, replace(task, images=left))
            await IMAGES.remove(session, image_id)
        await asyncio.to_thread((self._directory / file_name(image)).unlink, missing_ok=True)

    async def of_task(self, task_id: str) -> list[Image]:
        """Those of a task that are still there, in its order. Raises `Unknown`."""
        async with self._journal.snapshot() as session:
            task = await TASKS.known(session, task_id)
            found = [await IMAGES.get(session, image_id) for image_id in task.images]
        return [image for image in found if image is not None]

    async def place(self, worktree: str, image_ids: Sequence[str]) -> tuple[str, ...]:
        """Copy images into a worktree, where no commit takes them; their absolute paths. Raises
        `Unknown`, `Conflict` if something is in their place."""
        if not image_ids:
            return ()
        names = [file_name(image) for image in await self.known(image_ids)]
        folder = Path(worktree, FOLDER)
        try:
            await asyncio.to_thread(self._place, folder, names)
        except OSError as error:
            raise Conflict(f"{FOLDER} in the worktree is no directory to copy to") from error
        return tuple(str(folder / name) for name in names)

    async def sweep(self) -> None:
        """Delete files that no record names: what crashes have left."""
        async with self._journal.snapshot() as session:
            known = {file_name(image) for image in await IMAGES.find(session)}
        await asyncio.to_thread(self._sweep, known)

    def _write(self, name: str, data: bytes) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignoring = self._directory / ".gitignore"
        if not ignoring.exists():
            whole_file.replace(ignoring, b"*\n", mode=None)
        whole_file.replace(self._directory / name, data, mode=None)

    def _place(self, folder: Path, names: Sequence[str]) -> None:
        if not folder.is_symlink():
            folder.mkdir(exist_ok=True)
        copying.copy(self._directory, folder, (".gitignore", *names))

    def _sweep(self, known: set[str]) -> None:
        if not self._directory.is_dir():
            return
        before = time.time() - _YOUNG_SEC
        for file in self._directory.iterdir():
            if file.name not in known | {".gitignore"} and file.stat().st_mtime < before:
                file.unlink(missing_ok=True)


def file_name(image: Image) -> str:
    """Of its file, beside the journal and in worktrees."""
    return f"{image.image_id}.{_EXTENSIONS[image.mime_type]}"


def _type(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((type_ for magic, (type_, _) in _TYPES.items() if data.startswith(magic)), None)
