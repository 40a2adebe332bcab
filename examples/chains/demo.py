"""`stoker chain run` on five groups over two chains: wrap, swap, add liquidity, a deposit into a
vault, and a swap on the second chain.

python examples/chains/demo.py [--keep DIRECTORY]

Two real nodes (anvil) play the public chains, with real contracts on them: WETH, Uniswap V2, a
vault, tokens. Etherscan and the model that writes the scripts are local servers; the model only
follows a script, and writes one of the five so that it fails and has to be mended.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parents[1] / "tests"
sys.path[:0] = [str(TESTS / "chains"), str(TESTS / "agents")]

from deploy import kept_worlds, read_worlds, start_kept
from explorers import Explorers
from model_server import ModelServer
from models import Writer, five_groups, model_settings
from nodes import ALIASES, EVM, WALLET


def main() -> int:
    """Set up, run, and show what came of it; the run's exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="make it there; keep it")
    keep = parser.parse_args().keep
    if keep is not None:
        keep.mkdir(parents=True)
        return _demonstrate(keep.absolute())
    with tempfile.TemporaryDirectory(prefix="stoker-demo-") as made:
        return _demonstrate(Path(made))


def _demonstrate(top: Path) -> int:
    kept = kept_worlds()
    worlds = read_worlds(kept)
    with ExitStack() as stack:
        nodes = {chain_id: start_kept(kept, chain_id) for chain_id in ALIASES}
        for node in nodes.values():
            stack.callback(node.stop)
        explorers = stack.enter_context(Explorers(worlds.values()))
        writer = Writer({"Swap on Uniswap": "revert"})
        model = model_settings(stack.enter_context(ModelServer(writer, by_schema=True)))
        (top / ".stoker").mkdir()
        (top / ".stoker" / "chains.toml").write_text(
            "\n".join(
                (
                    f'sender = "{WALLET}"',
                    *(
                        f'\n[chains.{ALIASES[one]}]\nid = {one}\nrpc = "{nodes[one].url}"'
                        for one in nodes
                    ),
                    f'\n[sources]\netherscan = "{explorers.settings.etherscan}"',
                    'etherscan_key = "${ETHERSCAN_KEY}"',
                    f'sourcify = "{explorers.settings.sourcify}"',
                    f'\n[model]\nbase_url = "{model.base_url}"',
                    f'model = "{model.model}"\napi_key = "${{MODEL_KEY}}"\n',
                )
            )
        )
        (top / "groups.json").write_text(json.dumps({"groups": five_groups(worlds)}, indent=2))
        # The compiler that the tests use; `stoker chain setup` installs one of Stoker's own.
        (top / "node_modules").symlink_to(EVM / "node_modules")
        keys = {"ETHERSCAN_KEY": explorers.settings.etherscan_key, "MODEL_KEY": model.api_key}
        status = _stoker(top, keys, "chain", "run", "groups.json")
        _stoker(top, keys, "chain", "results", "--group", "1", "--trace")
        _stoker(top, keys, "chain", "results", "--group", "1", "--code")
    return status


def _stoker(top: Path, keys: dict[str, str], *words: str) -> int:
    sys.stdout.write(f"\n$ stoker {shlex.join(words)}\n")
    sys.stdout.flush()
    program = Path(sys.executable).with_name("stoker")
    env = {name: value for name, value in os.environ.items() if not name.startswith("STOKER_")}
    return subprocess.run((program, *words), cwd=top, env=env | keys, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
