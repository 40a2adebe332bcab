"""Helpers beside the tests, and the scripted model of tests/agents, are imported by their names."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "agents"))
sys.path.insert(0, str(Path(__file__).parent))

from e2e_field import around  # noqa: F401
