"""The index: what it holds, what it never reads, and that it is what a new one would be."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stoker.roadmaps.context.index import Index

_NAMES = st.sampled_from(["a.py", "b.py", "pkg/__init__.py", "pkg/c.py", "d.md", "e.ts", "f.ts"])
_TEXTS = st.sampled_from(
    [
        "import a\nclass Alpha: ...\n",
        "from pkg import c\ndef beta_one(): ...\n",
        "from .c import gamma\n",
        "# Title\n\nAlpha and beta_one\n",
        "import { x } from './f';\nexport const y = x;\n",
        "",
    ]
)
_STEPS = st.lists(st.tuples(_NAMES, st.one_of(st.none(), _TEXTS)), min_size=1, max_size=12)


def _all(index: Index):
    paths = index.paths
    hits = {term: index.search({term: 1.0}) for term in ("alpha", "beta", "beta_one", "pkg", "x")}
    graph = index.graph
    return (
        paths,
        hits,
        {path: (graph.imports(path), graph.importers(path), index.words(path)) for path in paths},
        {name: graph.definers(name) for name in ("Alpha", "beta_one", "y")},
    )


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_STEPS)
def test_kept_up_it_is_as_made_anew(bench, steps):
    for name, text in steps:
        if text is None:
            (bench.path / name).unlink(missing_ok=True)
        else:
            bench.write(name, text)
        there = [str(p.relative_to(bench.path)) for p in bench.path.rglob("*.*") if p.is_file()]
        bench.take(sorted(name for name in there if ".git/" not in name))
    fresh = bench.fresh()
    assert _all(bench.index) == _all(fresh)
    fresh.close()
    again = Index.open(bench.top / "fresh" / "index.db")  # and so it is as read from its file
    assert again.take(bench.path, {}) == (0, 0, len(bench.index.paths))
    assert _all(bench.index) == _all(again)
    again.close()


def test_tracked_and_untracked_files_but_not_ignored_ones(bench):
    bench.write(".gitignore", "secret.py\n")
    bench.write("secret.py", "password = 1\n")
    bench.write("tracked.py", "def one(): ...\n")
    bench.git("add", "tracked.py")
    bench.write("untracked.py", "def two(): ...\n")
    changes = bench.update()
    assert bench.index.paths == [".gitignore", "tracked.py", "untracked.py"]
    assert changes == (3, 0, 3)
    assert bench.index.search({"password": 1.0}) == []


def test_only_what_changed_is_taken_in(shop):
    assert shop.update()[:2] == (0, 0)
    os.utime(shop.path / "src/shop/money.py", (1, 1))  # touched, and the same
    assert shop.update()[:2] == (0, 0)
    shop.write("src/shop/money.py", "class Dough: ...\n")
    (shop.path / "CHANGELOG.md").unlink()
    assert shop.update()[:2] == (1, 1)
    assert shop.index.graph.definers("Dough") == ("src/shop/money.py",)
    assert shop.index.graph.definers("Money") == ()


def test_in_another_worktree_only_what_differs_is_taken_in(shop):
    other = shop.top / "other"
    shop.git("worktree", "add", "--quiet", "--detach", str(other))
    (other / "src/shop/money.py").write_text("class Dough: ...\n")
    first, shop.path = shop.path, other
    assert shop.update() == (1, 0, len(shop.index.paths))
    assert "Dough" in shop.index.text("src/shop/money.py")
    shop.git("commit", "--quiet", "--all", "--message", "dough")
    assert shop.update()[:2] == (0, 0)  # the same content under git's care now
    shop.path = first
    assert shop.update()[:2] == (1, 0)
    assert shop.index.graph.definers("Dough") == ()


def test_what_changed_in_another_process_is_seen(shop):
    """Of an index that was opened again it is not known which tree it is of."""
    shop.index.close()
    shop.write("src/shop/money.py", "class Dough: ...\n")
    (shop.path / "CHANGELOG.md").unlink()
    (shop.path / "web/src/page.tsx").unlink()
    (shop.path / "web/src/page.tsx").symlink_to("price.ts")
    shop.index = Index.open(shop.index.file)
    assert shop.update()[:2] == (1, 2)
    assert shop.index.graph.definers("Dough") == ("src/shop/money.py",)
    assert "web/src/page.tsx" not in shop.index.paths


def test_a_tree_that_is_gone_is_no_end(shop):
    shop.write("src/shop/money.py", "class Dough: ...\n")
    shop.update()
    shop.git("checkout", "--quiet", ".")
    shop.git("prune", "--expire=now")
    assert shop.update()[:2] == (1, 0)
    assert shop.index.graph.definers("Dough") == ()


def test_it_is_found_by_parts_of_identifiers_and_by_forms_of_words(shop):
    def first(*terms):
        return shop.index.search(dict.fromkeys(terms, 1.0))[0].path

    assert first("cart", "item") == "src/shop/cart.py"
    assert first("reserving", "item") == "src/shop/stock.py"
    assert first("half") == "src/shop/money.py"


def test_tests_and_release_notes_come_after_code(shop):
    found = [hit.path for hit in shop.index.search({"shoppingcart": 1.0, "total_price": 1.0})]
    assert found[0] == "src/shop/cart.py"
    assert found[-1] == "CHANGELOG.md"


def test_binary_huge_and_lock_files_are_known_by_path_alone(bench):
    bench.write("blob.py", b"needle\0" + bytes(100))
    bench.write("huge.py", "needle = 1\n" * 200_000)
    bench.write("min.js", "needle();" * 5000)
    bench.write("poetry.lock", "needle\n")
    bench.update()
    assert len(bench.index.paths) == 4
    assert bench.index.search({"needle": 1.0}) == []
    assert [hit.path for hit in bench.index.search({"poetry": 1.0})] == ["poetry.lock"]


def test_nothing_outside_is_read(bench):
    outside = bench.top / "outside"
    outside.mkdir()
    (outside / "deep.py").write_text("needle = 1\n")
    bench.write("inside/deep.py", "hay = 1\n")
    bench.update()
    (bench.path / "link.py").symlink_to(outside / "deep.py")
    (bench.path / "folder").symlink_to(outside)
    (bench.path / "inside/deep.py").unlink()
    (bench.path / "inside").rmdir()
    (bench.path / "inside").symlink_to(outside)  # still in git's listing, if it was added
    index = bench.index
    paths = ("link.py", "folder/deep.py", "inside/deep.py", "../outside/deep.py")
    index.take(bench.path, dict.fromkeys(paths, b"a name"))
    assert index.paths == []
    assert index.search({"needle": 1.0}) == []
    assert index.text("../outside/deep.py") is None


def test_a_pipe_in_place_of_a_file_stops_nobody(bench):
    os.mkfifo(bench.path / "pipe.py")
    bench.write("a.py", "")
    bench.index.take(bench.path, {"pipe.py": b"a name", "a.py": b"another"})
    assert bench.index.paths == ["a.py"]


def test_names_that_are_no_utf8_are_left_out(bench):
    file = os.fsdecode(b"src-\xff.py")
    bench.write(file, "def odd(): ...\n")
    bench.write("plain.py", "")
    bench.update()
    bench.write("größe.py", "")
    bench.update()
    assert bench.index.paths == ["größe.py", "plain.py"]


def test_the_file_is_private_and_may_be_broken_or_gone(bench):
    bench.write("a.py", "def one(): ...\n")
    bench.update()
    file = bench.index.file
    assert file.stat().st_mode & 0o777 == 0o600
    bench.index.close()
    file.write_bytes(b"no database" * 1000)
    bench.index = Index.open(file)
    assert bench.index.paths == []
    bench.update()
    assert bench.index.graph.definers("one") == ("a.py",)
