"""What a command that is one request to the server's API is made of."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Verb(NamedTuple):
    """A request."""

    operation: str
    """Of `stoker.client`: group and name. It says what the command takes, and of which types."""
    help: str
    takes: Mapping[str, str] = MappingProxyType({})
    """What to say of each field of the request."""
    row: str = ""
    """What is shown of each item of the list that is answered."""
    says: str = ""
    """What is said where nothing is answered."""
    creates: bool = False
    """Makes the journal, if there is none."""
    served: bool = False
    """What it begins lasts no longer than the server."""
    begins: bool = False
    """The agent is at work afterwards, which is watched."""
