"""Outlines: by tree-sitter for each language, and by patterns without it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stoker.roadmaps.context.outline import outline, quick_outline

_SOURCES = {
    "python": (
        "import os\n\nLIMIT = 3\n\n\n@dataclass\nclass Cart:\n    size: int = 0\n\n"
        "    async def add(self, a,\n                  b):\n        def inner(): ...\n"
        "        return a\n"
        "\n\ndef total(cart):\n    return 0\n",
        [("LIMIT", 3, 3), ("Cart", 7, 13), ("add", 10, 13), ("total", 16, 17)],
    ),
    "javascript": (
        "export class Cart {\n  add(item) {\n    return item;\n  }\n}\n\n"
        "export const total = (cart) => {\n  return 0;\n};\nfunction helper() {}\n",
        [("Cart", 1, 5), ("add", 2, 4), ("total", 7, 9), ("helper", 10, 10)],
    ),
    "typescript": (
        "export interface Item {\n  price(cents: number): string;\n}\ntype Id = string;\n"
        "export abstract class Store<T> {\n  private get(id: Id): T {\n    return null!;\n  }\n}\n"
        "enum Kind { A }\n",
        [
            ("Item", 1, 3),
            ("price", 2, 2),
            ("Id", 4, 4),
            ("Store", 5, 9),
            ("get", 6, 8),
            ("Kind", 10, 10),
        ],
    ),
    "tsx": ("export function Page() {\n  return <p />;\n}\n", [("Page", 1, 3)]),
    "go": (
        "package a\n\ntype Cart struct {\n\tsize int\n}\n\nfunc (c *Cart) Add(x int) {\n}\n\n"
        "const Limit = 3\n\nfunc Total() int { return 0 }\n",
        [("Cart", 3, 5), ("Add", 7, 8), ("Limit", 10, 10), ("Total", 12, 12)],
    ),
    "rust": (
        "pub struct Cart {\n    size: u8,\n}\n\nimpl Cart {\n    pub fn add(&self) {}\n}\n\n"
        "trait Priced {\n    fn price(&self) -> u8;\n}\n",
        [("Cart", 1, 3), ("Cart", 5, 7), ("add", 6, 6), ("Priced", 9, 11), ("price", 10, 10)],
    ),
    "java": (
        "package a;\n\npublic class Cart {\n  private int size;\n\n  public Cart() {\n  }\n\n"
        "  int add(String x) {\n    return 0;\n  }\n}\n\nrecord Item(int price) {\n}\n",
        [("Cart", 3, 12), ("Cart", 6, 7), ("add", 9, 11), ("Item", 14, 15)],
    ),
}


@pytest.mark.parametrize("language", _SOURCES)
def test_definitions_with_their_extent(language):
    text, expected = _SOURCES[language]
    found = outline(language, text)
    assert [(one.name, one.line, one.end) for one in found] == expected
    assert all(one.text.strip() in text for one in found)


@pytest.mark.parametrize("language", _SOURCES)
def test_patterns_find_the_same_names_but_for_few(language):
    text, expected = _SOURCES[language]
    names = {one.name for one in quick_outline(language, text)}
    assert names - {"inner"} >= {name for name, *_ in expected} - {"price", "Item"}
    assert all(one.line <= one.end for one in quick_outline(language, text))


def test_half_a_file_has_an_outline_too():
    assert [one.name for one in outline("python", "def one():\n  pass\ndef two(:\n")][:1] == ["one"]
    assert outline("python", "") == ()
    assert outline("unknown", "def one(): ...") == ()


def test_without_tree_sitter_there_are_patterns():
    code = (
        "import sys; sys.modules['tree_sitter'] = None\n"
        "from stoker.roadmaps.context.outline import outline\n"
        "found = outline('python', 'def f():\\n  x\\n\\ndef g(): 1')\n"
        "print([(s.name, s.line, s.end) for s in found])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[('f', 1, 2), ('g', 4, 4)]"


def test_importing_the_context_imports_no_parser():
    code = (
        "import sys; import stoker.roadmaps.context.assembly\n"
        "print(sorted(m for m in sys.modules if 'tree_sitter' in m))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
