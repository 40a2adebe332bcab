"""Proof of reliability: helpers beside the tests are imported by their names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

# CI runs the same few cases every time; STOKER_EXAMPLES=2000 looks at as many new ones.
settings.register_profile(
    "reliability",
    max_examples=int(os.environ.get("STOKER_EXAMPLES", "200")),
    derandomize="STOKER_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(params=["sqlite", "postgres"])
def db(request) -> str:
    """URL of a journal; empty for a directory's own."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
