"""The provider's key: taken out of the environment, and kept nowhere else."""

from __future__ import annotations

import os
from typing import Final

_KNOWN: Final = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")


def take_key(name: str) -> str:
    """The variable's value; empty if it is not set. It and the keys of other providers are
    gone afterwards, also from what `/proc` shows of this process's environment, so that no
    command finds them there."""
    key = os.environ.get(name, "")
    for one in {name, *_KNOWN} & os.environ.keys():
        _wipe(one)
        del os.environ[one]
    return key


def _wipe(name: str) -> None:
    import ctypes

    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    place = getenv(os.fsencode(name))
    if place:
        ctypes.memset(place, 0, len(ctypes.string_at(place)))
