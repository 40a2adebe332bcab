"""Choosing a format, by what a file is or by name; instructions for agents."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from stoker.roadmaps import detect
from stoker.roadmaps.format import NotReadable, Reading
from stoker.roadmaps.formats.prd import FORMAT as PRD
from stoker.roadmaps.instructions import commands, instructions


def put(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


PRD_TEXT = '{"userStories": [{"id": "US-001", "title": "x", "passes": false}]}'


@pytest.mark.parametrize(
    ("name", "text", "given", "format", "source"),
    [
        ("prd.json", PRD_TEXT, "", "prd", "prd.json"),
        ("any.json", PRD_TEXT, "any.json", "prd", "any.json"),
        (
            ".taskmaster/tasks/tasks.json",
            '{"master": {"tasks": []}}',
            ".taskmaster",
            "taskmaster",
            ".taskmaster/tasks/tasks.json",
        ),
        (
            "backlog/tasks/task-1 - x.md",
            "---\nid: task-1\n---\n",
            "",
            "backlog",
            "backlog",
        ),
        (
            ".cursor/plans/a.plan.md",
            "---\ntodos: [{id: a}]\n---\n",
            ".cursor/plans/a.plan.md",
            "cursor",
            ".cursor/plans/a.plan.md",
        ),
        ("AGENTS.md", "- [ ] run the tests\n", "AGENTS.md", "instructions", "AGENTS.md"),
    ],
)
def test_the_format_is_found(tmp_path, name, text, given, format, source):
    put(tmp_path / name, text)
    roadmap = detect.read(tmp_path / given)
    assert (roadmap.format, roadmap.source, roadmap.root) == (format, source, str(tmp_path))
    assert detect.read(tmp_path / given, format=format) == roadmap


def test_instructions_have_no_tasks(tmp_path):
    path = put(tmp_path / ".cursor/rules/a.mdc", "---\nalwaysApply: true\n---\n- [ ] a box\n")
    roadmap = detect.read(path)
    assert roadmap.tasks == ()
    assert [problem.code for problem in roadmap.problems] == ["no-tasks"]


def test_what_no_format_fits_is_told_with_what_was_looked_for(tmp_path):
    path = put(tmp_path / "notes.txt", "hello\n")
    with pytest.raises(NotReadable) as caught:
        detect.read(path)
    for name in detect.registry():
        assert f"\n  {name}: " in str(caught.value)
    with pytest.raises(NotReadable, match=r"no format 'taskmater' \(did you mean 'taskmaster'\?\)"):
        detect.read(path, format="taskmater")
    with pytest.raises(NotReadable, match="found nothing"):
        detect.read(tmp_path / "missing.md")


def test_nothing_outside_the_root_is_read(tmp_path):
    put(tmp_path / "outside.json", PRD_TEXT)
    (tmp_path / "repo/.git").mkdir(parents=True)
    (tmp_path / "repo/prd.json").symlink_to(tmp_path / "outside.json")
    with pytest.raises(NotReadable, match="leads outside"):
        detect.read(tmp_path / "repo/prd.json", format="prd")


def test_two_that_are_as_sure_are_told(tmp_path, monkeypatch):
    class Other:
        name, title = "other", "x"

        def recognises(self, source):
            return PRD.recognises(source)

    monkeypatch.setattr(detect, "registry", lambda: {"prd": PRD, "other": Other()})
    path = put(tmp_path / "prd.json", PRD_TEXT)
    with pytest.raises(NotReadable, match="may be prd or other; --format says which"):
        detect.read(path)


def test_formats_of_other_packages_are_found(monkeypatch):
    points = [
        EntryPoint("mine", "stoker.roadmaps.formats.prd:FORMAT", detect.GROUP),
        EntryPoint("broken", "stoker.roadmaps.nowhere:FORMAT", detect.GROUP),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    detect.registry.cache_clear()
    try:
        with pytest.raises(NotReadable, match=r"format 'broken' of package .* cannot be loaded"):
            detect.registry()
        del points[1]
        assert detect.registry()["prd"] is PRD
    finally:
        detect.registry.cache_clear()


def test_every_format_survives_any_bytes(tmp_path):
    for data in (
        b"\xff\xfe\x00",
        b"",
        b"---\n",
        b"---\n- a\n---\n",
        b"{}",
        b"[]",
        b"---\na: b\n---",
    ):
        for name in ("x.md", "x.json", "x.plan.md", "prd.json", "backlog/tasks/task-1 - x.md"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            source = detect.source_of(path)
            for format in detect.registry().values():
                assert 0 <= format.recognises(source) <= 100
                try:
                    format.read(source, Reading())
                except NotReadable as error:
                    assert str(error)


def test_the_nearest_instructions_come_first(tmp_path):
    put(tmp_path / "AGENTS.md", "# All\n\nRun `make test` before you commit.\n")
    (tmp_path / "CLAUDE.md").symlink_to("AGENTS.md")
    put(tmp_path / "web/AGENTS.md", "Test with:\n\n```sh\n$ npm run test:unit  # fast\n```\n")
    put(
        tmp_path / "web/.cursor/rules/ts.mdc",
        "---\nglobs: src/**/*.ts\nalwaysApply: false\n---\nTS",
    )
    put(tmp_path / "api/AGENTS.md", "Never seen\n")
    put(tmp_path / ".kiro/steering/tech.md", "---\ninclusion: always\n---\nKiro")
    put(tmp_path / ".kiro/steering/hand.md", "---\ninclusion: manual\n---\nBy hand")
    put(
        tmp_path / ".kiro/steering/py.md",
        '---\ninclusion: fileMatch\nfileMatchPattern: "**/*.py"\n---\nPy',
    )
    put(
        tmp_path / ".github/instructions/t.instructions.md",
        '---\napplyTo: "**/*.ts,**/*.tsx"\n---\nGH',
    )
    put(tmp_path / ".github/copilot-instructions.md", "Copilot")
    (tmp_path / ".cursor/rules").mkdir(parents=True)
    (tmp_path / ".cursor/rules/bad.mdc").write_bytes(b"\xff")
    found = instructions(tmp_path, "web/src/a/b.ts")
    assert [one.path for one in found] == [
        "web/AGENTS.md",
        "web/.cursor/rules/ts.mdc",
        "AGENTS.md",
        ".github/copilot-instructions.md",
        ".github/instructions/t.instructions.md",
        ".kiro/steering/tech.md",
    ]
    assert found[-1].text == "Kiro"
    assert [one.path for one in instructions(tmp_path, "tools/x.py")] == [
        "AGENTS.md",
        ".github/copilot-instructions.md",
        ".kiro/steering/py.md",
        ".kiro/steering/tech.md",
    ]
    assert instructions(tmp_path, "../../etc")[0].path == "AGENTS.md"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "- `uv run pytest -q`\n- `pytest tests/x.py::test_y`\n- `pytest <file>`",
            ["uv run pytest -q"],
        ),
        ("```bash\nnpm ci\npnpm turbo run test --filter <name>\npnpm test\n```", ["pnpm test"]),
        ("`go test ./...` and `cargo test`", ["go test ./...", "cargo test"]),
        (
            "`./gradlew test`, `mvn -q verify`, `make check`",
            ["./gradlew test", "mvn -q verify", "make check"],
        ),
        ("We like pytest. The `test` folder, `contest`, `make` and `latest`.", []),
        ("`pip install pytest`, `uv add --dev pytest`, `docker build -t test .`", []),
        ("`uv run python manage.py test`", ["uv run python manage.py test"]),
        ("`npm run test:unit`, `mise run test`", ["npm run test:unit", "mise run test"]),
        ("```python\npytest.main()\n```", []),
    ],
)
def test_commands_that_run_all_tests(text, found):
    assert list(commands(text)) == found
