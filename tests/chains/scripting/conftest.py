"""Helpers beside the tests, and the scripted model of tests/agents, are imported by their names."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parents[1] / "agents")]
