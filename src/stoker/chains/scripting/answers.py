"""Answers of models that are to be of a type: how they are asked for, and what is made of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecoder
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from stoker.agents.builtin.tools.tool import schema_of

T = TypeVar("T", bound=Struct)
MAX_ANSWER: Final = 400_000
"""Characters of an answer that are looked at."""
_MOST_PLACES: Final = 50
_FENCED: Final = re.compile(r"```(?:json)?[^\S\n]*\n(.*?)```", re.DOTALL | re.IGNORECASE)


class Invalid(Exception):
    """An answer is not what was asked for; the model is told why."""


def response_format(kind: type[Struct], name: str) -> dict[str, Any]:
    """As OpenAI's endpoint wants it, where every property is required and none is added."""
    form = {"name": name, "strict": True, "schema": _strict(schema_of(kind))}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def _strict(part: Any) -> Any:
    if isinstance(part, list):
        return [_strict(one) for one in part]
    if not isinstance(part, dict):
        return part
    found = {name: _strict(one) for name, one in part.items() if name not in ("default", "title")}
    if "properties" in found:
        found["properties"] = {name: _strict(one) for name, one in part["properties"].items()}
        found |= {"required": list(found["properties"]), "additionalProperties": False}
    return found


def decoded(text: str, kind: type[T]) -> T:
    """The value in an answer: the whole of it, what stands in its fences, or the first object in it
    that fits. Raises `Invalid`."""
    text = text[:MAX_ANSWER].strip()
    if not text:
        raise Invalid("it is empty")
    first: str | None = None
    for one in _values(text):
        try:
            return msgspec.convert(one, kind, strict=False)
        except (msgspec.ValidationError, RecursionError) as error:
            first = first or str(error)
    raise Invalid(first or "it holds no JSON object")


def _values(text: str) -> Iterator[Any]:
    for one in (text, *_FENCED.findall(text)):
        try:
            yield msgspec.json.decode(one)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
    decoder, at = JSONDecoder(), -1
    for _ in range(_MOST_PLACES):
        at = text.find("{", at + 1)
        if at < 0:
            return
        try:
            yield decoder.raw_decode(text, at)[0]
        except (ValueError, RecursionError):
            continue
