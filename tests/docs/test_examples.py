"""What the documentation shows is what happens. `scripts/pages.py` says what an example is."""

from __future__ import annotations

import re

import pages
import pytest

_NOT_EXECUTED = ("text", "sh", "json")
"""`sh`: for the reader's own machine, such as setting up; `text`: nothing to execute; `json`
without a title: the document of `show --json`, which `test_reference` holds against its schema."""
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)")


def name(page):
    return str(page.relative_to(pages.ROOT))


@pytest.mark.parametrize("page", pages.pages(), ids=name)
def test_examples_do_what_the_page_says(page, tmp_path):
    _, complaints = pages.execute(page, tmp_path)
    assert not complaints, "\n\n".join(complaints)


@pytest.mark.parametrize("page", pages.pages(), ids=name)
def test_every_block_is_an_example_or_says_that_it_is_none(page):
    for block in pages.blocks(page.read_text()):
        is_example = block.title is not None or block.language == "console"
        assert is_example or block.language in _NOT_EXECUTED, f"line {block.line}: {block.language}"


@pytest.mark.parametrize("page", pages.pages(), ids=name)
def test_fences_are_balanced_and_links_lead_somewhere(page):
    text = page.read_text()
    assert text.count("\n```") == 2 * len(list(pages.blocks(text)))
    for target in _LINK.findall(text):
        assert (page.parent / target).exists(), target


def test_a_session_is_held_against_what_is_printed():
    assert pages.same(["a 1.2 s", "b"], ["b", "a 3 s"])
    assert pages.same(["a", "..."], ["b", "a"])
    assert not pages.same(["a", "..."], ["b"])
    assert not pages.same(["a"], ["a", "b"])
    (first, second) = pages.session("$ x\n> y\nz\n[exit status 2]\n$ w\n")
    assert first == pages.Command("x\ny", ["z"], 2)
    assert second == pages.Command("w", [], 0)
