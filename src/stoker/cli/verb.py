"""What a command that is one request to the server's API is made of."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["text", "clear", "many", "flag", "switch", "whole", "picture", "servers"]


class Option(NamedTuple):
    """A field of a request."""

    name: str
    """As the request has it."""
    help: str
    kind: Kind = "text"
    """`clear`: empty for none; `many`: may be given again; `picture`, `servers`: a file."""
    metavar: str = "TEXT"
    place: bool = False
    """Given without its name, in its place."""
    optional: bool = False
    choices: tuple[str, ...] | None = None


class Verb(NamedTuple):
    """A request."""

    operation: str
    """Of `stoker.client`: group and name."""
    help: str
    places: tuple[str, ...] = ()
    """What its path has."""
    takes: tuple[Option, ...] = ()
    row: str = ""
    """What is shown of each item of the list that is answered."""
    says: str = ""
    """What is said where nothing is answered."""
    changes: bool = True
    creates: bool = False
    """Makes the journal, if there is none."""
    served: bool = False
    """What it begins lasts no longer than the server."""
    begins: bool = False
    """The agent is at work afterwards, which is watched."""
    file: bool = False
    """The answer is what is in a file."""
