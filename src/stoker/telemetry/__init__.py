"""What happens, told to OpenTelemetry: one more reader of the events that everyone reads.

spans.py    events of a run -> spans; pure
agents.py   the stream of an agent -> spans of its model calls and tools; pure
export.py   follows the runs of an engine, and sends (extra `otel`)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stoker.engine.handle import RunHandle
    from stoker.engine.kinds import Opener

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def observers(
    endpoint: str | None = None, environment: Mapping[str, str] = os.environ
) -> Sequence[Opener[Callable[[RunHandle], None]]]:
    """For an `Engine`: what sends all its runs to an OTLP/HTTP `endpoint`, by default the one that
    the standard variables name; nothing if there is none."""
    named = endpoint or any(environment.get(name) for name in _ENDPOINTS)
    if not named or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ()
    from stoker.telemetry.export import exporting

    return (exporting(endpoint),)
