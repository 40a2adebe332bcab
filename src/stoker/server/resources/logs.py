"""What attempts wrote: bytes from any offset, finished or while they are written."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from operator import attrgetter
from typing import Annotated, Any

import msgspec
from litestar import get, websocket
from litestar.params import FromPath, PathParameter, QueryParameter
from litestar.response import Response

from stoker.journal.base import AttemptRow
from stoker.process.tail import Chunk, tail
from stoker.server.params import Accept, App, LastEvent, Name, Socket, whole
from stoker.server.problems import not_found
from stoker.server.service import Service
from stoker.server.streams import SSE, Stream, Told, each, send, sse
from stoker.wire.runs import LogPart, Output

Number = Annotated[int, PathParameter(ge=1, le=2**31 - 1)]
Offset = Annotated[int, QueryParameter(ge=0, le=2**53)]
_PATH = "/v1/runs/{run_id:str}/steps/{step:str}/attempts/{number:int}/logs/{output:str}"


@get(
    _PATH,
    tags=["logs"],
    summary="What an attempt wrote",
    description="Bytes, from `offset` on; what the log's bound has dropped is left out. With "
    "`Accept: text/event-stream` what is there and then what comes, as text, until the attempt is "
    "over: `{offset, length, dropped, text}`. Its id is the offset to go on from. `/ws` is the "
    "same over a WebSocket: bytes in binary frames, and `{offset, dropped?, end?}` in text frames.",
)
async def log(
    service: App,
    run_id: Name,
    step: Name,
    number: Number,
    output: FromPath[Output],
    offset: Offset = 0,
    last_event: LastEvent = None,
    accept: Accept = "",
) -> Response[bytes]:
    path, attempt, sequence = await find(service, run_id, step, number, output)
    if SSE in accept:
        start = max(offset, whole(last_event))
        return sse(_texts(chunks(service, attempt, sequence, path, start)), service)  # type: ignore[return-value]
    content = each(tail(path, offset=offset), attrgetter("data"))
    return Stream(content, media_type="text/plain; charset=utf-8")  # type: ignore[return-value]


@websocket(_PATH + "/ws")
async def log_socket(
    socket: Socket,
    service: App,
    run_id: Name,
    step: Name,
    number: Number,
    output: FromPath[Output],
    offset: Offset = 0,
) -> None:
    path, attempt, sequence = await find(service, run_id, step, number, output)
    found = chunks(service, attempt, sequence, path, offset)
    await send(socket, _frames(found, offset), service)


async def find(
    service: Service, run_id: str, step: str, number: int, output: Output
) -> tuple[str, AttemptRow, int]:
    """The file, the attempt, and a sequence before its end if it has not ended. Raises `Refused`,
    `UnknownRun`."""
    sequence = (await service.journal.run(run_id)).last_sequence
    for attempt in await service.journal.attempts(run_id, step):
        if attempt.attempt == number:
            break
    else:
        raise not_found(f"no attempt {number} of a step {step!r} in run {run_id}")
    path = attempt.stdout_path if output == "stdout" else attempt.stderr_path
    # A step can write what it likes into its run's directory, links too.
    runs, real = (
        os.path.realpath(one)  # noqa: ASYNC240 # on a local file system, as all of a run is
        for one in (service.settings.directory / "runs", path or "")
    )
    if path is None or not real.startswith(runs + os.sep):
        raise not_found("this attempt has no log in the server's directory")
    return real, attempt, sequence


async def chunks(
    service: Service, attempt: AttemptRow, sequence: int, path: str, offset: int
) -> AsyncIterator[Chunk]:
    """The log from `offset` on, until the attempt is over."""
    over: asyncio.Future[None]
    if attempt.finished_at is None:
        over = asyncio.ensure_future(service.ended(attempt, sequence))
    else:
        over = asyncio.get_running_loop().create_future()
        over.set_result(None)
    try:
        tailed = tail(path, offset=offset, finished=over, watch=service.watch)
        async with aclosing(tailed) as found:  # type: ignore[type-var]
            async for chunk in found:
                yield chunk
    finally:
        over.cancel()
        await asyncio.wait({over})


async def _frames(
    chunks: AsyncIterator[Chunk], offset: int
) -> AsyncIterator[Sequence[bytes | str]]:
    """Bytes as they are; what has an offset of its own is told before them, as JSON text."""
    yield [_told(offset=offset)]
    async with aclosing(chunks) as found:  # type: ignore[type-var]
        async for chunk in found:
            if chunk.dropped:
                yield [_told(offset=chunk.offset, dropped=chunk.dropped)]
            if chunk.data:
                yield [chunk.data]
            offset = chunk.next_offset
    yield [_told(offset=offset, end=True)]


def _told(**what: Any) -> str:
    return msgspec.json.encode(what).decode()


async def _texts(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Sequence[Told]]:
    """As text; a character that was written in two parts comes whole."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    begin = 0
    first = True
    async with aclosing(chunks) as found:  # type: ignore[type-var]
        async for chunk in found:
            if first or chunk.dropped:
                decoder.reset()
                begin = chunk.offset
                first = False
            text = decoder.decode(chunk.data)
            end = chunk.next_offset - len(decoder.getstate()[0])
            if text or chunk.dropped:
                data = LogPart(offset=begin, length=end - begin, dropped=chunk.dropped, text=text)
                yield [(str(end), "", data)]
                begin = end
    rest = decoder.decode(b"", final=True)
    if rest:
        yield [(str(begin), "", LogPart(offset=begin, length=0, dropped=0, text=rest))]


def document(paths: dict[str, Any]) -> None:
    """What is bytes."""
    told = paths[_PATH.replace(":str", "").replace(":int", "")]["get"]["responses"]
    content = told["200"]["content"]
    content["text/plain"] = content.pop("application/json")
