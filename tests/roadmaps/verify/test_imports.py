"""What is said of the imports of Python files, by a real Python."""

from __future__ import annotations

from stoker.roadmaps.verify.work import Settings

LEVELS = Settings(mode="agent")


def faults(bench, before, after):
    evidence = bench.verify(bench.commit(before), bench.commit(after), LEVELS)
    return [(one.category, one.path, one.line, one.message) for one in evidence.faults]


BASE = {
    "src/pkg/__init__.py": "",
    "src/pkg/a.py": "def f():\n    return 1\n\n\nX: int = 2\n",
    "src/pkg/b.py": "from pkg.a import f\n",
    "scripts/tool.py": "import helper\n",
    "scripts/helper.py": "",
    "pyproject.toml": "[project]\nname = 'a'\ndependencies = ['declared-thing']\n",
}


def test_what_is_right(bench):
    text = (
        "from __future__ import annotations\nimport os.path, json\nfrom . import a as again\n"
        "from .a import f, X\nimport pkg.b\nimport declared_thing\n"
        "try:\n    import maybe_not_there\nexcept ImportError:\n    maybe_not_there = None\n"
    )
    assert faults(bench, BASE, {"src/pkg/c.py": text}) == []


def test_modules_and_names_that_are_not_there(bench):
    text = (
        "import nowhere\nfrom pkg import aa\nfrom .a import g\ndef h():\n    from pkg.x import y\n"
    )
    assert faults(bench, BASE, {"src/pkg/c.py": text}) == [
        ("import_error", "src/pkg/c.py", 1, "no module named 'nowhere'"),
        ("import_error", "src/pkg/c.py", 2, "cannot import name 'aa' from 'pkg'"),
        ("import_error", "src/pkg/c.py", 3, "cannot import name 'g' from 'pkg.a'"),
        ("import_error", "src/pkg/c.py", 5, "no module named 'pkg.x'"),
    ]


def test_importers_of_what_was_taken_away(bench):
    renamed = {"src/pkg/a.py": "def ff():\n    return 1\n"}
    assert faults(bench, BASE, renamed) == [
        ("import_error", "src/pkg/b.py", 1, "cannot import name 'f' from 'pkg.a'")
    ]
    assert faults(bench, BASE, {"src/pkg/a.py": None}) == [
        ("import_error", "src/pkg/b.py", 1, "no module named 'pkg.a'")
    ]


def test_what_was_wrong_before_does_not_count(bench):
    before = {**BASE, "src/pkg/c.py": "import nowhere\n"}
    assert faults(bench, before, {"src/pkg/c.py": "import nowhere\nX = 1\n"}) == []


def test_circles_that_fail_and_circles_that_do_not(bench):
    circle = {"src/pkg/a.py": "from pkg.b import g\n\n\ndef f():\n    return g\n"}
    both = {**circle, "src/pkg/b.py": "from pkg.a import f\n\n\ndef g():\n    return f\n"}
    found = faults(bench, BASE, both)
    assert [(one[0], one[3]) for one in found] == [
        ("import_error", "circular import: pkg.a -> pkg.b -> pkg.a")
    ]
    late = {
        "src/pkg/a.py": "import pkg.b\n\n\ndef f():\n    return pkg.b.g\n",
        "src/pkg/b.py": "import pkg.a\n\n\ndef g():\n    return pkg.a.f\n",
    }
    assert faults(bench, BASE, late) == []


def test_data_files(bench):
    wrong = {"a.json": '{"a": 1,}', "b.toml": "a = \n", "c.yaml": "a: [1\nb: 2\n"}
    right = {
        "tsconfig.json": "{ // x\n}",
        "d.yaml": "a: {{ x }}\n",
        "e.yml": "a: !tag 1\n---\nb: 1\n",
    }
    found = faults(bench, BASE, {**wrong, **right})
    assert [(one[0], one[1], one[2]) for one in found] == [
        ("syntax_error", "a.json", 1),
        ("syntax_error", "b.toml", 1),
        ("syntax_error", "c.yaml", 2),
    ]


def test_python_newer_than_ours_and_older_is_the_projects(bench):
    """The project's Python decides."""
    found = faults(bench, BASE, {"src/pkg/c.py": "def f():\n\treturn 1\n        x = 2\n"})
    assert [(one[0], one[1], one[2]) for one in found] == [("syntax_error", "src/pkg/c.py", 3)]
