"""The demonstration of chain groups, as `make demo-chains` runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "examples" / "chains" / "demo.py"


def test_five_groups_become_transactions_to_sign():
    done = subprocess.run(
        [sys.executable, DEMO], capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 succeeded" in done.stdout
    assert "group 4: Swap on Optimism: 2 transactions to sign" in done.stdout
    assert "UniswapV2Router02::swapExactTokensForTokens" in done.stdout
    assert done.stderr == ""
