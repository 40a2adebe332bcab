"""Streams: buffered, never blocking a run, quiet when the reader is gone."""

from __future__ import annotations

import asyncio
import os

import pytest

from stoker.cli.output import Stream, one_line, printable, seconds


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_a_slow_reader_does_not_block_the_writer(pipe) -> None:
    reading, writing = pipe
    text = "".join(f"line {number}\n" for number in range(200_000))

    async def main() -> bytes:
        stream = Stream(writing, {})
        loop = asyncio.get_running_loop()
        stream.attach(loop)
        stream.write(text)  # more than any pipe holds
        detaching = asyncio.create_task(stream.detach())
        await asyncio.sleep(0)
        assert not detaching.done()
        received = bytearray()
        while not detaching.done():
            received += await loop.run_in_executor(None, os.read, reading, 1 << 16)
            await asyncio.sleep(0)
        os.close(writing)
        while more := os.read(reading, 1 << 16):
            received += more
        return bytes(received)

    assert asyncio.run(main()) == text.encode()


def test_writers_that_can_wait_are_held_back(pipe) -> None:
    reading, writing = pipe

    async def main() -> None:
        stream = Stream(writing, {})
        stream.attach(asyncio.get_running_loop())
        await stream.drained()
        stream.write("x" * (2 << 20))
        waiting = asyncio.create_task(stream.drained())
        await asyncio.sleep(0)
        assert not waiting.done()
        os.close(reading)  # nobody will read: drop it, and go on
        await waiting
        stream.write("more")
        await stream.detach()

    asyncio.run(main())


def test_a_closed_pipe_is_an_error_for_a_command_that_only_prints(pipe) -> None:
    reading, writing = pipe
    os.close(reading)
    stream = Stream(writing, {})
    stream.line("text")
    with pytest.raises(BrokenPipeError):
        stream.flush()
    stream.line("dropped")
    stream.flush()


def test_colours_only_on_a_terminal_that_wants_them() -> None:
    first, terminal = os.openpty()
    try:
        assert Stream(terminal, {"TERM": "xterm"}).style("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"
        for environment in ({"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}, {}):
            assert Stream(terminal, environment).style("x", "red") == "x"
    finally:
        os.close(first)
        os.close(terminal)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttab\nline", "plain\ttab\nline"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after\x1b]8;;http://x\x1b\\link", "afterlink"),
        ("a\x00b\x07c\x7fd\x9be\r", "abcde"),
        ("\x1b", ""),
    ],
)
def test_printable_takes_out_what_commands_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00 s"),
        (0.044, "0.04 s"),
        (1.25, "1.2 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (7440, "2 h 4 min"),
    ],
)
def test_durations_for_people(value: float, text: str) -> None:
    assert seconds(value) == text


def test_what_was_written_before_a_run_is_not_kept_back_until_its_end(pipe) -> None:
    reading, writing = pipe

    async def main() -> None:
        stream = Stream(writing, {})
        stream.line("a warning")
        stream.attach(asyncio.get_running_loop())
        os.set_blocking(reading, False)
        assert os.read(reading, 100) == b"a warning\n"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ship it?", "ship it?"),
        ("a\nb\tc\r", "a\\nb\\tc"),
        ("\x1b[31mx\u202ey\u2066\u200b\ufeff", "x\\u202ey\\u2066\\u200b\\ufeff"),
    ],
)
def test_one_line_shows_what_would_deceive(text: str, shown: str) -> None:
    assert one_line(text) == shown
