"""Imports of every language, both ways, and what a change may reach."""

from __future__ import annotations

import pytest

from stoker.roadmaps.context.imports import specs


@pytest.mark.parametrize(
    ("path", "imported"),
    [
        ("src/shop/cart.py", ["src/shop/money.py", "src/shop/stock.py"]),
        ("tests/test_cart.py", ["src/shop/cart.py"]),
        ("web/src/index.ts", ["web/src/price.ts"]),
        ("web/src/page.tsx", ["web/src/price.ts"]),
        ("admin/main.js", ["web/src/index.ts"]),
        ("cmd/shop/main.go", ["internal/tax/rate.go"]),
        ("crates/core/src/lib.rs", ["crates/core/src/order.rs"]),
        ("crates/core/src/order.rs", ["crates/core/src/order/line.rs"]),
        ("crates/cli/src/main.rs", ["crates/core/src/order.rs"]),
        ("java/org/shop/app/Main.java", ["java/org/shop/Tax.java"]),
    ],
)
def test_imports_and_importers(shop, path, imported):
    graph = shop.index.graph
    assert list(graph.imports(path)) == imported
    for target in imported:
        assert path in graph.importers(target)


def test_a_change_reaches_what_imports_it_directly_and_not(shop):
    graph = shop.index.graph
    assert graph.impact(["src/shop/money.py"]) == {"src/shop/cart.py": 1, "tests/test_cart.py": 2}
    assert graph.impact(["web/src/price.ts"]) == {
        "web/src/index.ts": 1,
        "web/src/page.tsx": 1,
        "admin/main.js": 2,
    }
    assert graph.impact(["nowhere.py"]) == {}


def test_an_import_of_a_library_is_not_taken_for_a_file_of_the_same_name(bench):
    bench.write("tools/json.py", "")
    bench.write("app/main.py", "import json\n")
    bench.write("tools/other.py", "import json\n")
    bench.update()
    graph = bench.index.graph
    assert graph.imports("app/main.py") == ()
    assert graph.imports("tools/other.py") == ("tools/json.py",)


def test_imports_follow_files_that_come_go_and_move(shop):
    graph = shop.index.graph
    shop.write("src/shop/money/__init__.py", "class Money: ...\n")
    (shop.path / "src/shop/money.py").unlink()
    shop.update()
    assert "src/shop/money/__init__.py" in graph.imports("src/shop/cart.py")
    (shop.path / "src/shop/money/__init__.py").unlink()
    shop.update()
    assert graph.imports("src/shop/cart.py") == ("src/shop/stock.py",)


def test_an_import_outweighs_names(shop):
    index = shop.index
    path = "src/shop/cart.py"
    weights = index.graph.related(path, index.words(path))
    named = index.graph.related("CHANGELOG.md", index.words("CHANGELOG.md"))
    assert weights["src/shop/money.py"] > max(named.values()) > 0


@pytest.mark.parametrize(
    ("language", "text", "found"),
    [
        (
            "python",
            "from a import (\n    b as c,  # why\n    d,\n)\nimport e.f as g, h\n",
            "a:b a:d e.f h",
        ),
        ("python", "def f():\n    from ..x import y\n    from . import *\n", "..x:y .:"),
        (
            "typescript",
            "import type { A } from './a';\nimport './b.css';\nexport * from \"c\";\n"
            "const d = await import('./d');\n",
            "./a ./b.css c ./d",
        ),
        ("go", 'import "a/b"\nimport (\n\tx "c/d"\n\t. `e`\n)\n', "a/b c/d e"),
        ("rust", "use a::{b, c::{d as e, self}};\npub(crate) mod f;\n", "a::b a::c::d a::c f"),
        ("java", "import static a.b.C.m;\nimport d.e.*;\n", "a.b.C.m d.e.*"),
    ],
)
def test_imports_as_written(language, text, found):
    wanted = [f"mod {one}" if one == "f" and language == "rust" else one for one in found.split()]
    assert list(specs(language, text)) == wanted
