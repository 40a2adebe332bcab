"""What is suggested for which fault, and that what is applied is applied safely."""

from __future__ import annotations

import pytest

from stoker.roadmaps.evidence import Fault
from stoker.roadmaps.suggest import Suggestion, apply, suggest


def found(message, *, category="test_failure", path="", files=(), **more):
    fault = Fault(category=category, message=message, path=path)
    return [
        (one.kind, one.path, one.value, one.task) for one in suggest([fault], files=files, **more)
    ]


def test_packages_without_init():
    files = {"src/pkg/__init__.py", "src/pkg/inner/a.py", "src/pkg/inner/deep/b.py"}
    assert found("No module named 'pkg.inner.deep.b'", files=files)[:2] == [
        ("create_init_file", "src/pkg/inner/__init__.py", "", ""),
        ("create_init_file", "src/pkg/inner/deep/__init__.py", "", ""),
    ]


def test_modules_that_another_task_is_to_make():
    files = {"pkg/__init__.py", "pkg/a.py"}
    message = "no module named 'pkg.later'"
    pending = {"T2": ["docs/x.md"], "T3": ["pkg/later.py"]}
    assert found(message, files=files, pending=pending) == [
        ("insert_prerequisite_task", "", "pkg.later", "T3")
    ]
    assert found(message, files=files) == [("insert_prerequisite_task", "", "pkg.later", "")]


def test_dependencies():
    assert found("ModuleNotFoundError: No module named 'yaml'") == [
        ("add_dependency", "", "PyYAML", "")
    ]
    assert found("Error: Cannot find module '@scope/left-pad'") == [
        ("add_dependency", "", "@scope/left-pad", "")
    ]
    assert found("Error: Cannot find module './own'") == []


def test_imports_of_the_standard_library():
    text = "File \"a.py\", line 3\nNameError: name 'json' is not defined"
    trace = "Traceback:\n  File \"src/a.py\", line 3, in f\nNameError: name 'json' is not defined"
    assert found(trace, files={"src/a.py"}, changed=["src/a.py"]) == [
        ("add_import", "src/a.py", "import json", "")
    ]
    assert found(text.replace("json", "jsonn"), changed=["a.py"]) == []
    assert found(trace, files={"src/a.py"}) == []  # the task did not write it
    by_pytest = "test_a.py:3: \nE  NameError: name 'json' is not defined\n\na.py:2: NameError"
    assert found(by_pytest, files={"a.py"}, changed=["test_a.py", "a.py"]) == [
        ("add_import", "a.py", "import json", "")
    ]


def test_directories_and_hints():
    assert found("Errno 2] No such file or directory: 'out/data/x.json'", files={"a.py"}) == [
        ("create_directory", "out/data", "", "")
    ]
    assert found("No such file or directory: '/etc/x/y'") == []
    assert found("No such file or directory: '../x/y'") == []
    missing = {"category": "file_not_found", "path": "src/made.py", "files": {"lib/made.py"}}
    assert found("promised", changed=["lib/made.py"], **missing) == [
        ("modify_file_hints", "lib/made.py", "src/made.py", ""),
        ("create_directory", "src", "", ""),
    ]


def test_the_best_come_first_and_once():
    faults = [
        Fault(category="import_error", message="no module named 'yaml'"),
        Fault(category="import_error", message="no module named 'pkg.a'"),
        Fault(category="import_error", message="no module named 'pkg.a'"),
    ]
    suggestions = suggest(faults, files={"pkg/a.py"})
    assert suggestions[0].kind == "create_init_file"
    assert len({(one.kind, one.value, one.path) for one in suggestions}) == len(suggestions)
    assert all(0 < one.rating <= 1 for one in suggestions)


def safe(kind, path, value=""):
    return Suggestion(kind=kind, rating=1.0, reason="", path=path, value=value, safe=True)


def test_apply(tmp_path):
    (tmp_path / "pkg").mkdir()
    suggestions = [
        safe("create_init_file", "pkg/__init__.py"),
        safe("create_directory", "a/b"),
        safe("create_directory", "pkg"),
        Suggestion(kind="create_directory", rating=1.0, reason="", path="unsafe"),
    ]
    assert apply(suggestions, tmp_path) == suggestions[:2]
    assert (tmp_path / "pkg/__init__.py").read_bytes() == b""
    assert (tmp_path / "a/b").is_dir()
    assert not (tmp_path / "unsafe").exists()
    assert apply(suggestions, tmp_path) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"x = json\n", b"import json\nx = json\n"),
        (b"", b"import json\n"),
        (b"#!/usr/bin/python\n# -*- coding: utf-8 -*-\nx = 1\n",
         b"#!/usr/bin/python\n# -*- coding: utf-8 -*-\nimport json\nx = 1\n"),
        (b'"""Doc.\r\n"""\r\nx = 1\r\n', b'"""Doc.\r\n"""\r\nimport json\r\nx = 1\r\n'),
        (b'"""D."""\nfrom __future__ import annotations\nx = 1',
         b'"""D."""\nfrom __future__ import annotations\nimport json\nx = 1'),
        (b'"""D."""', b'"""D."""\nimport json\n'),
    ],
)  # fmt: skip
def test_imports_are_added_where_they_belong(tmp_path, before, after):
    (tmp_path / "a.py").write_bytes(before)
    one = safe("add_import", "a.py", "import json")
    assert apply([one], tmp_path) == [one]
    assert (tmp_path / "a.py").read_bytes() == after
    compile(after, "a.py", "exec")


def test_nothing_outside_is_touched(tmp_path):
    top, outside = tmp_path / "top", tmp_path / "outside"
    top.mkdir()
    outside.mkdir()
    (outside / "a.py").write_text("x = 1\n")
    (top / "link").symlink_to(outside)
    (top / "a.py").symlink_to(outside / "a.py")
    suggestions = [
        safe("create_init_file", "link/__init__.py"),
        safe("create_init_file", "../outside/__init__.py"),
        safe("create_directory", "link/made"),
        safe("create_directory", ".git/hooks"),
        safe("add_import", "a.py", "import json"),
        safe("add_import", "link/a.py", "import json"),
    ]
    assert apply(suggestions, top) == []
    assert sorted(path.name for path in outside.iterdir()) == ["a.py"]
    assert (outside / "a.py").read_text() == "x = 1\n"
