"""What an agent may divide its task into."""

from __future__ import annotations

import json

import pytest

from stoker.roadmaps.parts import parts_of


def said(*titles: str, **more: object) -> str:
    return json.dumps([{"title": title, **more} for title in titles])


def test_parts_are_read_from_the_last_array() -> None:
    text = f"I see [1] and:\n```json\n{said('a', 'b', files=['x.py', '/etc/x', '../y'])}\n```\n"
    one, two = parts_of(text)
    assert (one.title, two.title) == ("a", "b")
    assert one.files == ("x.py",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I would rather not.", "expected a JSON array, found"),
        (said("a"), "expected 2 to 5, found 1"),
        (said(*"abcdef"), "expected 2 to 5, found 6"),
        (said("a", " "), "a title of its own"),
        (said("a", "a"), "a title of its own"),
        ('[{"name": "a"}, {"name": "b"}]', "missing required field `title`"),
    ],
)
def test_what_is_no_division(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parts_of(text)
