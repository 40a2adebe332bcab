"""What people and programs tell an agent at work: a file that anyone may append to.

A message is one line, appended in one write, so it is there or not, and stays there while
no engine runs; the driver takes each once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

NAME: Final = "inbox"


class Told(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of all messages."""

    by: str = ""
    """Who says so."""


class Reply(Told, frozen=True, kw_only=True, tag="answer"):
    """The answer to a request for approval. One that is not pending is ignored."""

    approval: str
    allowed: bool
    option: str | None = None
    """Id of the option; default: the first that fits `allowed` and `always`."""
    always: bool = False
    """Also for all that are like it, if there is such an option."""
    reason: str = ""
    """Told to the agent, where its protocol can."""


class Say(Told, frozen=True, kw_only=True, tag="say"):
    """A message to the agent; during a turn it is kept until that ends."""

    text: str
    images: tuple[str, ...] = ()


class Interrupt(Told, frozen=True, kw_only=True, tag="interrupt"):
    """End the turn."""


Message = Reply | Say | Interrupt

_DECODER: Final[msgspec.json.Decoder[Message]] = msgspec.json.Decoder(Message)


def send(directory: str | os.PathLike[str], message: Message) -> None:
    """Tell the agent whose attempt has `directory` (`stoker.agents.store.place`). Raises `OSError`,
    `FileNotFoundError` if no driver has begun there."""
    line = msgspec.json.encode(message) + b"\n"
    descriptor = os.open(Path(directory, NAME), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def decode(line: bytes) -> Message:
    """One line of the file. Raises `msgspec.DecodeError`."""
    return _DECODER.decode(line)
