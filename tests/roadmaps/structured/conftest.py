"""Structured plan files: helpers beside the tests are imported by their names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "agents")]

collect_ignore = [] if os.environ.get("STOKER_SMALL_MODEL") else ["test_small_model.py"]
