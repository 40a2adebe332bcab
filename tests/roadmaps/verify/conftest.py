"""Verification: helpers beside the tests are imported by their names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from verify_bench import Bench

collect_ignore = [] if os.environ.get("STOKER_TOOLCHAINS") else ["test_toolchains.py"]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)
