"""Bytes that are replaced as a whole, whenever their writer is killed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoker.agents.slots import Slots


def test_the_last_is_read(tmp_path):
    path = tmp_path / "bytes"
    assert Slots(path).read() is None
    writer = Slots(path)
    for content in (b"long" * 1000, b"", b"x", b"short", b"longer again"):
        writer.write(content)
        assert Slots(path).read() == content
    writer = Slots(path)  # another goes on
    writer.write(b"more")
    assert Slots(path).read() == b"more"
    assert path.stat().st_mode & 0o777 == 0o600


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40), st.data())
def test_of_a_write_cut_short_nothing_is_seen(tmp_path_factory, first, second, third, data):
    path = tmp_path_factory.mktemp("slots") / "bytes"
    writer = Slots(path)
    writer.write(first)
    writer.write(second)
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    writer.write(third)
    (changed,) = (file for file, old in before.items() if file.read_bytes() != old)
    new, old = changed.read_bytes(), before[changed]
    done = data.draw(st.integers(0, len(new) - 1))
    changed.write_bytes(new[:done] + old[done:])
    whole = changed.read_bytes()[: len(new)] == new
    assert Slots(path).read() == (third if whole else second)
    Slots(path).write(b"after")
    assert Slots(path).read() == b"after"


@pytest.mark.parametrize("content", [b"", b"\0" * 16, b"\0" * 100, bytes(range(60))])
def test_what_was_never_written_is_nothing(tmp_path, content):
    (tmp_path / "bytes").write_bytes(content)
    assert Slots(tmp_path / "bytes").read() is None
