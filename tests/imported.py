"""What a process imported, as it tells it itself where `TELL` is in its environment."""

from __future__ import annotations

import re
from typing import Final

TELL: Final = {"PYTHONPROFILEIMPORTTIME": "1"}
_LINE: Final = re.compile(r"^import time: +-?\d+ \| +-?\d+ \| +(\S+)$", re.MULTILINE)
_OF_CHAINS: Final = re.compile(r"(eth|eth_\w+|py_ecc|rlp|trie)(\.|$)")


def imported(told: str) -> set[str]:
    """Names of modules, out of what was written to stderr; those of Python itself are in them."""
    found = set(_LINE.findall(told))
    assert "stoker.cli" in found, told[-2000:]
    return found


def of_chains(told: str) -> set[str]:
    """Those of them that only groups of operations on chains need."""
    return {name for name in imported(told) if _OF_CHAINS.match(name)}
