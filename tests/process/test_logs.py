"""Live logs: bounded, followed, read from the end."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.process import logs
from stoker.process.libc import trim
from stoker.process.logs import LogBounds, LogWatch
from stoker.process.redact import Redactor
from stoker.process.spawner import Spawner
from stoker.process.spec import Exit
from stoker.process.tail import Chunk, Lines, last_lines, tail

MIB = 1 << 20
LINE = b"0123456789abcde\n"


async def read(path, **options) -> list[Chunk]:
    async with aclosing(tail(str(path), **options)) as chunks:
        return [chunk async for chunk in chunks]


@pytest.mark.parametrize("secret", [False, True])
def test_a_printer_of_much_is_bounded(bench, secret):
    dropped = []

    async def main():
        loop = asyncio.get_running_loop()
        watch = LogWatch(loop)
        bounds = LogBounds(watch, loop, limit=4 * MIB, on_drop=lambda *drop: dropped.append(drop))
        # It lives long enough to be watched, and writes most of it while it is.
        code = """
import os, signal
os.write(1, b"0123456789abcde\\n")
signal.sigtimedwait([], 0.4)
for _ in range(64): os.write(1, b"0123456789abcde\\n" * 65536)
signal.sigtimedwait([], 0.2)
"""
        started = bench.start(
            bench.python(code),
            Redactor(["some secret"] if secret else []),
            spawner=Spawner(loop, bounds=bounds),
        )
        end = await started.ended
        bounds.close()
        watch.close()
        return end

    assert asyncio.run(main()) == Exit(code=0)
    status = bench.out.stat()
    assert status.st_size == 64 * MIB + 16
    assert status.st_blocks * 512 <= 4 * MIB
    assert {path for path, _, _ in dropped} == {str(bench.out)}
    chunks = asyncio.run(read(bench.out))
    assert sum(len(chunk.data) + chunk.dropped for chunk in chunks) == status.st_size
    assert sum(chunk.dropped for chunk in chunks) == sum(length for _, _, length in dropped)
    data = b"".join(chunk.data for chunk in chunks)
    assert data == LINE * (len(data) // 16)
    assert len(data) > MIB
    assert last_lines(str(bench.out), 3) == ["0123456789abcde"] * 3
    assert len(last_lines(str(bench.out), 10**6)) < 10**6


def test_a_short_process_is_bounded_at_its_end(bench):
    async def main():
        loop = asyncio.get_running_loop()
        bounds = LogBounds(LogWatch(loop), loop, limit=MIB)
        spec = bench.python("import os; os.write(1, b'x' * (8 << 20))")
        await bench.start(spec, spawner=Spawner(loop, bounds=bounds)).ended
        bounds.close()

    asyncio.run(main())
    assert bench.out.stat().st_size == 8 * MIB
    assert bench.out.stat().st_blocks * 512 <= MIB


def test_trim_leaves_head_and_newest(tmp_path):
    path = tmp_path / "log"
    content = os.urandom(16 * MIB)
    path.write_bytes(content)
    assert trim(str(path), 32 * MIB) is None
    offset, length = trim(str(path), 8 * MIB)
    assert (offset, offset + length) == (MIB, 12 * MIB)
    assert trim(str(path), 8 * MIB) is None
    first, *rest = asyncio.run(read(path))
    assert first.dropped == 0
    [gap] = [chunk for chunk in rest if chunk.dropped]
    assert (gap.offset, gap.dropped) == (12 * MIB, length)
    kept = b"".join(chunk.data for chunk in (first, *rest))
    assert kept == content[:MIB] + content[12 * MIB :]
    from_within = asyncio.run(read(path, offset=5 * MIB))
    assert (from_within[0].offset, from_within[0].dropped) == (12 * MIB, 7 * MIB)


def test_a_file_system_without_holes_is_told_once(bench, monkeypatch):
    refused = []

    def refuse(path, limit):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(logs, "trim", refuse)
    monkeypatch.setattr(logs, "_YOUNG_SEC", 0)

    async def main():
        loop = asyncio.get_running_loop()
        told = asyncio.Event()

        def on_refused(path, error):
            refused.append((path, error.errno))
            told.set()

        bounds = LogBounds(LogWatch(loop), loop, limit=MIB, on_refused=on_refused)
        bench.out.touch()
        bounds.add(str(bench.out))
        await told.wait()
        bounds.discard(str(bench.out))
        bounds.close()

    asyncio.run(main())
    assert refused == [(str(bench.out), errno.EOPNOTSUPP)]


def test_tail_follows_until_the_writer_has_finished(tmp_path):
    path = tmp_path / "log"

    async def main():
        finished = asyncio.get_running_loop().create_future()
        got = []
        with path.open("wb", buffering=0) as log:
            log.write(b"old;first;")
            async with aclosing(tail(str(path), offset=4, finished=finished)) as chunks:
                async for chunk in chunks:
                    got.append(chunk)
                    if len(got) == 1:
                        log.write(b"second;")
                    elif len(got) == 2:
                        # What is written before the end is told is read after it.
                        log.write(b"third;")
                        finished.set_result(None)
        return got

    got = asyncio.run(main())
    assert got == [Chunk(4, b"first;"), Chunk(10, b"second;"), Chunk(17, b"third;")]
    assert got[-1].next_offset == path.stat().st_size


def test_tail_wakes_for_each_write_while_it_waits(tmp_path):
    path = tmp_path / "log"

    async def main():
        loop = asyncio.get_running_loop()
        finished = loop.create_future()
        lines: asyncio.Queue[bytes] = asyncio.Queue()
        watch = LogWatch(loop)

        async def reader():
            async with aclosing(tail(str(path), finished=finished, watch=watch)) as chunks:
                async for chunk in chunks:
                    lines.put_nowait(chunk.data)

        async with asyncio.TaskGroup() as group:
            group.create_task(reader())
            group.create_task(reader())
            await asyncio.sleep(0)  # Both wait for the file to appear.
            with path.open("wb", buffering=0) as log:
                for number in range(20):
                    log.write(b"%d" % number)
                    assert [await lines.get(), await lines.get()] == [b"%d" % number] * 2
            finished.set_result(None)
        watch.close()

    asyncio.run(main())


def test_tail_of_a_deleted_log_ends(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"all")

    async def main():
        finished = asyncio.get_running_loop().create_future()
        async with aclosing(tail(str(path), finished=finished)) as chunks:
            assert (await anext(chunks)).data == b"all"
            path.unlink()
            asyncio.get_running_loop().call_soon(finished.set_result, None)
            assert [chunk async for chunk in chunks] == []

    asyncio.run(main())


def test_tail_of_what_never_was():
    assert asyncio.run(read("/no/such/log")) == []

    async def main():
        finished = asyncio.get_running_loop().create_future()
        finished.set_result(None)
        return await read("/no/such/log", finished=finished)

    assert asyncio.run(main()) == []


def test_leaving_a_tail_leaves_nothing_open(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"x")

    async def main():
        never = asyncio.get_running_loop().create_future()
        gc.collect()  # what other tests have left is not to be closed in between
        before = os.listdir("/proc/self/fd")
        async with aclosing(tail(str(path), finished=never)) as chunks:
            await anext(chunks)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await read(path, finished=never)
        assert os.listdir("/proc/self/fd") == before

    asyncio.run(main())


text_lines = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), max_size=20)


@given(text_lines, st.booleans(), st.integers(1, 7))
def test_lines_are_those_of_the_text_however_it_is_cut(lines, ended, size):
    data = "\n".join(lines).encode() + (b"\n" if ended and lines else b"")
    splitter = Lines()
    got = []
    for at in range(0, len(data), size):
        got += splitter.feed(data[at : at + size])
    got += splitter.flush()
    expected = data.decode().split("\n")
    assert got == (expected[:-1] if expected[-1] == "" else expected)


def test_a_long_line_comes_in_pieces_between_characters():
    splitter = Lines()
    text = "aé€😀" * 20_000
    pieces = splitter.feed(text.encode()) + splitter.feed(b"\r\nnext\n") + splitter.flush()
    assert "".join(pieces[:-1]) == text
    assert pieces[-1] == "next"
    assert all(len(piece.encode()) <= 65536 for piece in pieces)
    assert splitter.feed(b"\xff\xfe\n") == ["��"]
    [*_, last] = Lines().feed(b"x" * 200_000 + b"\n")
    assert len(last) == 200_000 - 3 * 65536


@given(text_lines, st.integers(0, 25))
def test_last_lines(tmp_path_factory, lines, count):
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_text("".join(f"{line}\n" for line in lines), newline="")
    assert last_lines(str(path), count) == (lines[-count:] if count else [])


def test_last_lines_of_a_large_log(tmp_path):
    path = tmp_path / "log"
    path.write_text("".join(f"line {number}\n" for number in range(50_000)) + "end")
    assert last_lines(str(path), 2) == ["line 49999", "end"]
    assert last_lines(str(path), 20_000)[0] == "line 30001"
    with pytest.raises(FileNotFoundError):
        last_lines(str(tmp_path / "none"), 1)
