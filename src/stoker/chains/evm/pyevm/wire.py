"""What workers and the pool say to each other: a tag, and JSON, whose numbers may have 256 bits."""

from __future__ import annotations

import struct
from typing import Final

from stoker.chains.evm.job import Pin

HEAD: Final = struct.Struct(">cI")
"""Tag, and how many bytes follow."""
CAPTURE, REPLAY = b"C", b"R"
"""Jobs."""
ACCOUNTS, SLOTS, BLOCK = b"A", b"S", b"B"
"""What a worker asks; answered by the same tag."""
DONE, REFUSED, LIMITED, BROKEN = b"D", b"X", b"L", b"E"
"""How a job ends: its result, or a text that says why there is none."""
FORK, KILL = b"F", b"K"
"""What the pool asks of the process that workers are forked from; the answer to the first is the
same with the worker's id, the other has none."""
COMMAND: Final = struct.Struct(">cq")


AskAccounts = tuple[Pin, list[bytes]]
AskSlots = tuple[Pin, list[tuple[bytes, int]]]
AskBlock = tuple[Pin, int]
Found = list[tuple[int, int, bytes]]
"""Balance, nonce and code of accounts."""
