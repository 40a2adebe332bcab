"""The examples of docs/roadmaps-formats.md are read as it says, each as its format and no other."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pages
import pytest

from stoker.roadmaps.format import Reading, Source
from stoker.roadmaps.formats import bmad, checklist, kiro, openspec, roadmap, spec_kit

FORMATS = [module.FORMAT for module in (roadmap, checklist, spec_kit, kiro, openspec, bmad)]
PAGE = (pages.ROOT / "docs/roadmaps-formats.md").read_text()
BLOCKS = list(pages.blocks(PAGE))
EXAMPLES = [
    (block.title, block.text, shown.text, named)
    for block, shown in pairwise(BLOCKS)
    if block.language == "markdown"
    and (named := PAGE[: PAGE.index(block.text)].rpartition("`--format ")[2].partition("`")[0])
    in {format_.name for format_ in FORMATS}
]


def test_every_format_has_its_example():
    assert [item[3] for item in EXAMPLES] == [format_.name for format_ in FORMATS]


@pytest.mark.parametrize(("path", "text", "shown", "named"), EXAMPLES, ids=lambda item: item[:20])
def test_an_example_is_read_as_the_page_says(
    path: str, text: str, shown: str, named: str, tmp_path: Path
):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    source = Source(root=tmp_path, path=file)
    best = max(FORMATS, key=lambda format_: format_.recognises(source))
    assert best.name == named
    document = best.read(source, Reading())
    found = [f"{task.id} {task.status} {task.title}" for task in document.walk()]
    expected = shown.splitlines()
    if best.name == "checklist":  # fingerprints are shown as d1, d2, ...
        found = [f"d{at} {line.partition(' ')[2]}" for at, line in enumerate(found, 1)]
    assert found == expected
    assert not document.problems
