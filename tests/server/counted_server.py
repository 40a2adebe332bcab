"""The server, which tells on SIGUSR1 of its tasks and waits less long for handshakes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path

from stoker.cli.main import main
from stoker.server import serve


def tell(*_: object) -> None:
    told = [str(task.get_coro()) for task in asyncio.all_tasks()]
    Path("counted.new").write_text("\n".join(sorted(told)))
    os.rename("counted.new", "counted")


gc.disable()  # what only it would clear away, is left over
serve._HEADERS_SEC = 0.5
signal.signal(signal.SIGUSR1, tell)
sys.exit(main(sys.argv[1:]))
