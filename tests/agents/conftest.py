"""Agents at work: helpers beside the tests are imported by their names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

collect_ignore = [] if os.environ.get("STOKER_AGENTS") else ["test_other_agents.py"]
