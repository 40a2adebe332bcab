from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

import pytest

from stoker.process.spread import spread


def _flags(directory: Path) -> int:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        return struct.unpack("i4x", fcntl.ioctl(descriptor, 0x80086601, bytes(8)))[0]
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP):
            pytest.skip("this file system has no such flags")
        raise
    finally:
        os.close(descriptor)


def _is_ext4(directory: Path) -> bool:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    over = [mount for mount in mounts if directory.is_relative_to(mount[1])]
    # In a chroot perhaps none of them is.
    return max(over, key=lambda mount: len(mount[1]))[2] == "ext4" if over else False


def test_marks_the_directory_and_keeps_its_other_flags(tmp_path: Path) -> None:
    if not _is_ext4(tmp_path):
        pytest.skip("only ext4 knows of it")
    before = _flags(tmp_path)
    spread(tmp_path)
    spread(tmp_path)
    assert _flags(tmp_path) == before | 0x00020000


def test_does_nothing_where_the_file_system_has_no_such_thing() -> None:
    spread("/proc/self")


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        spread(tmp_path / "missing")
