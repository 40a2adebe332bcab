"""The log of chain groups: INFO what begins and ends, DEBUG the steps of a group, WARNING what a
script does wrong, ERROR what breaks that is nobody's script."""

from __future__ import annotations

from typing import Final

from stoker.log import get_logger

log: Final = get_logger("stoker.chains")
