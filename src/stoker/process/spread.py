"""Where the file system puts new directories: a hint that makes creating files cheap.

ext4 places a directory's files near the directory, and directories near each other; and
for minutes it does not use again the inodes of files that were deleted there, but looks at
each of them whenever a file is created. So a log made in a neighbourhood where a build or
a test has just cleaned up costs up to 1 ms instead of 20 us.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
"""FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of 64-bit Linux."""
_TOP_OF_HIERARCHY = 0x00020000
_FLAGS = struct.Struct("i4x")


def spread(directory: str | os.PathLike[str]) -> None:
    """Have the directories that will be made in `directory` placed apart from each other,
    where there is room (`chattr +T`). Does nothing where the file system does not know of
    this. Raises `OSError` if there is no such directory."""
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # only a hint
            flags = _FLAGS.unpack(fcntl.ioctl(descriptor, _GET_FLAGS, bytes(_FLAGS.size)))[0]
            if not flags & _TOP_OF_HIERARCHY:
                fcntl.ioctl(descriptor, _SET_FLAGS, _FLAGS.pack(flags | _TOP_OF_HIERARCHY))
    finally:
        os.close(descriptor)
