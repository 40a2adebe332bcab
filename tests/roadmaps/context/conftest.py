"""Real repositories with files of several languages, and an index of each."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from stoker.roadmaps.context.index import Index
from stoker.workspace import snapshot
from stoker.workspace.repository import Repository
from stoker.workspace.worktree import Worktree

FILES = {
    "src/shop/__init__.py": "",
    "src/shop/cart.py": (
        '"""The cart."""\n\nfrom shop.money import Money, round_half_up\nfrom . import stock\n\n\n'
        "class ShoppingCart:\n    def add_item(self, name: str) -> None:\n"
        "        stock.reserve(name)\n\n    def total_price(self) -> Money:\n"
        "        return round_half_up(Money(0))\n"
    ),
    "src/shop/money.py": "class Money: ...\n\n\ndef round_half_up(value):\n    return value\n",
    "src/shop/stock.py": "def reserve(name):\n    '''Keep an item of the warehouse.'''\n",
    "tests/test_cart.py": "from shop.cart import ShoppingCart\n\n\ndef test_total():\n    pass\n",
    "CHANGELOG.md": "# 1.0\n\nShoppingCart total_price round_half_up warehouse reserve\n",
    "web/package.json": '{"name": "@shop/web", "scripts": {"test": "vitest"}}\n',
    "web/src/index.ts": "export { price } from './price.js';\n",
    "web/src/price.ts": "export function price(cents: number): string {\n  return '';\n}\n",
    "web/src/page.tsx": "import { price } from '@/price';\nexport const Page = () => price(1);\n",
    "admin/main.js": "const { price } = require('@shop/web');\n",
    "go.mod": "module example.com/shop\n\ngo 1.22\n",
    "cmd/shop/main.go": (
        'package main\n\nimport (\n\t"fmt"\n\t"example.com/shop/internal/tax"\n)\n\n'
        "func main() { fmt.Println(tax.Rate()) }\n"
    ),
    "internal/tax/rate.go": "package tax\n\nfunc Rate() int { return 19 }\n",
    "crates/core/Cargo.toml": '[package]\nname = "shop-core"\n',
    "crates/core/src/lib.rs": "mod order;\npub use crate::order::Order;\n",
    "crates/core/src/order.rs": "use super::order::line::{Line, self};\npub struct Order;\n",
    "crates/core/src/order/line.rs": "pub struct Line;\n",
    "crates/cli/src/main.rs": "use shop_core::order::Order;\nfn main() {}\n",
    "java/org/shop/Tax.java": "package org.shop;\npublic class Tax {\n  int rate() {}\n}\n",
    "java/org/shop/app/Main.java": (
        "package org.shop.app;\n\nimport org.shop.Tax;\nimport java.util.*;\n\nclass Main {\n}\n"
    ),
}


class Bench:
    """A repository, and its index."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.path = top / "repo"
        self.path.mkdir()
        self.git("init", "--quiet")
        self.index = Index.open(top / "state" / "index.db")

    def git(self, *args: str, check: bool = True) -> None:
        who = ("-c", "user.name=T", "-c", "user.email=t@example.com")
        subprocess.run(["git", *who, *args], cwd=self.path, check=check, capture_output=True)

    def write(self, name: str, text: str | bytes) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def fill(self) -> None:
        for name, text in FILES.items():
            self.write(name, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "all")

    async def repository(self) -> Repository:
        return await Repository.open(self.path)

    async def tree(self) -> str:
        """All there is that git does not ignore."""
        return await snapshot.take(Worktree.main(await self.repository()))

    def update(self):
        async def work():
            return await self.index.update((await self.repository()).git, await self.tree())

        return asyncio.run(work())

    def take(self, paths: Iterable[str]):
        """The files at these paths, of those the index knows no others."""
        found = {path: named(self.path / path) for path in paths}
        return self.index.take(self.path, dict.fromkeys(self.index.paths, b"") | found)

    def fresh(self) -> Index:
        """Another index of the same files, made from nothing."""
        index = Index.open(self.top / "fresh" / "index.db")
        for name in (self.top / "fresh").iterdir():
            name.unlink()
        index.close()
        index = Index.open(self.top / "fresh" / "index.db")
        index.take(self.path, {path: named(self.path / path) for path in self.index.paths})
        return index


def named(file: Path) -> bytes:
    """The name that git gives the content of a file."""
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).digest()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.index.close()


@pytest.fixture
def shop(bench):
    bench.fill()
    bench.update()
    return bench
