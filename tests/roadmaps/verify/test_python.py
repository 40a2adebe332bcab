"""Verification of Python projects: real commits, real pytest, the real sandbox."""

from __future__ import annotations

import pytest

from stoker.roadmaps.evidence import Fault
from stoker.roadmaps.verify.verdict import accepted
from stoker.roadmaps.verify.work import Settings

CALC = "def add(a, b):\n    return a + b\n\n\ndef one():\n    return 1\n"
BROKEN = CALC.replace("a + b", "a - b")
TESTS = (
    "from calc import add, one\n\n\ndef test_one():\n    assert one() == 1\n\n\n"
    "def test_add():\n    assert add(1, 2) == 3\n    assert add(0, 0) == 0\n"
)
ADD, ONE = "tests/test_calc.py::test_add", "tests/test_calc.py::test_one"


@pytest.fixture
def good(bench):
    """A base where everything passes."""
    return bench.commit({"calc.py": CALC, "tests/test_calc.py": TESTS})


@pytest.fixture
def red(bench):
    """A base with a test that fails."""
    return bench.commit({"calc.py": BROKEN, "tests/test_calc.py": TESTS})


def categories(evidence):
    return {fault.category for fault in evidence.faults}


def test_a_fix_is_verified(bench, red):
    evidence = bench.verify(red, bench.commit({"calc.py": CALC}))
    assert evidence.verdict == "verified", evidence
    assert evidence.tests.passed == (ADD, ONE)
    assert evidence.tests.fixed == (ADD,)
    assert evidence.files == ("calc.py",)
    assert evidence.levels == ("files", "syntax", "imports", "tests")
    assert evidence.commands[0].origin == "Python"


def test_nothing_changed_is_not_done(bench, good):
    evidence = bench.verify(good, bench.commit({}))
    assert evidence.verdict == "failed"
    assert categories(evidence) == {"incomplete"}
    assert not evidence.commands


def test_a_gate_need_change_nothing(bench, good):
    assert bench.verify(good, good, gate=True).verdict == "verified"


def test_a_gate_with_failing_tests_is_not_passed_by_its_own_command(bench, red):
    evidence = bench.verify(red, red, gate=True, verify="python -m pytest -q")
    assert categories(evidence) == {"test_failure"}


def test_promised_files_that_are_missing(bench, good):
    commit = bench.commit({"other.py": "x = 1\n"})
    evidence = bench.verify(good, commit, files=("made.py", "calc.py", "tests/", "*.py"))
    assert [(f.category, f.path) for f in evidence.faults] == [("file_not_found", "made.py")]


def test_what_is_not_the_tasks_to_change(bench, good):
    commit = bench.commit({"PLAN.md": "- [x] done\n", "calc.py": CALC + "\n", "b/c.py": ""})
    evidence = bench.verify(good, commit, forbidden=("PLAN.md",))
    assert [(f.category, f.path) for f in evidence.faults] == [("scope_creep", "PLAN.md")]


def test_a_regression(bench, good):
    evidence = bench.verify(good, bench.commit({"calc.py": BROKEN}))
    assert evidence.verdict == "failed"
    assert categories(evidence) == {"regression"}
    assert evidence.tests.broken == (ADD,)
    assert evidence.faults[0].path == "tests/test_calc.py"
    assert "assert -1 == 3" in evidence.faults[0].message


def test_what_failed_before_does_not_count(bench, red):
    evidence = bench.verify(red, bench.commit({"more.py": "x = 1\n"}))
    assert evidence.verdict == "verified"
    assert evidence.tests.failed_before == (ADD,)
    assert evidence.reason == "1 tests passed, 1 fail as before"


def test_no_tests_are_no_proof(bench):
    base = bench.commit({"calc.py": CALC, "pytest.ini": "[pytest]\n"})
    evidence = bench.verify(base, bench.commit({"calc.py": BROKEN}))
    assert evidence.verdict == "unverified"
    assert evidence.commands[0].exit_code == 5
    assert not evidence.faults


def test_a_program_that_is_not_there_is_named(bench, good):
    commit = bench.commit({"calc.py": TWICE})
    evidence = bench.verify(good, commit, Settings(command="sh -c 'no-such-runner -q'"))
    assert (evidence.verdict, evidence.faults) == ("unverified", ())
    assert evidence.reason == "it could not be tested: no-such-runner is not there"


def test_only_text_is_no_proof(bench):
    base = bench.commit({"README.md": "a\n"})
    evidence = bench.verify(base, bench.commit({"README.md": "b\n"}))
    assert (evidence.verdict, evidence.commands) == ("unverified", ())
    assert "only text" in evidence.reason


def test_new_tests_are_run(bench, good):
    commit = bench.commit({"tests/test_more.py": "def test_more():\n    assert False\n"})
    evidence = bench.verify(good, commit)
    assert categories(evidence) == {"test_failure"}
    assert evidence.tests.added == ("tests/test_more.py::test_more",)


def test_syntax_errors_are_named(bench, good):
    evidence = bench.verify(good, bench.commit({"calc.py": CALC + "def f(:\n    pass\n"}))
    assert [(f.category, f.path, f.line) for f in evidence.faults] == [
        ("syntax_error", "calc.py", 7)
    ]
    assert not evidence.commands


WEAKER = {
    "fewer assertions": TESTS.replace("    assert add(0, 0) == 0\n", ""),
    "another assertion": TESTS.replace("== 3", "== add(1, 2)").replace("(0, 0) == 0", "(0, 0)"),
    "trivial": TESTS.replace("assert add(1, 2) == 3", "assert True"),
    "or true": TESTS.replace("assert add(1, 2) == 3", "assert add(1, 2) == 3 or True"),
    "deleted": TESTS.partition("def test_add")[0],
    "skipped": "import pytest\n" + TESTS.replace("def test_add", "@pytest.mark.skip\ndef test_add"),
    "xfail": "import pytest\n" + TESTS.replace("def test_add", "@pytest.mark.xfail\ndef test_add"),
    "skips": "import pytest\n"
    + TESTS.replace("    assert add(1", "    pytest.skip()\n    assert add(1"),
    "all skipped": "import pytest\npytestmark = pytest.mark.skip\n" + TESTS,
    "returns": TESTS.replace("    assert add(1", "    return\n    assert add(1"),
    "renamed away": TESTS.replace("def test_add", "def check_add"),
    "gone": None,
}


@pytest.mark.parametrize("how", WEAKER)
def test_tests_made_weaker_are_seen(bench, good, how):
    """The work itself is right, but for tests that expect something else than before."""
    calc = BROKEN if how == "another assertion" else CALC + "\nX = 1\n"
    commit = bench.commit({"calc.py": calc, "tests/test_calc.py": WEAKER[how]})
    evidence = bench.verify(good, commit)
    assert evidence.verdict == "failed"
    assert "test_tampering" in categories(evidence), evidence


def test_a_waiver_lets_a_task_change_tests(bench, good):
    commit = bench.commit({"calc.py": BROKEN, "tests/test_calc.py": TESTS.replace("== 3", "== -1")})
    assert bench.verify(good, commit).verdict == "failed"
    evidence = bench.verify(good, commit, tests_free=True)
    assert evidence.verdict == "verified", evidence
    gone = bench.commit({"tests/test_calc.py": TESTS.partition("def test_add")[0]})
    evidence = bench.verify(good, gone, tests_free=True)
    assert (evidence.verdict, evidence.tests.missing) == ("verified", (ADD,))


def test_stronger_tests_are_reported_and_verified(bench, good):
    commit = bench.commit({"tests/test_calc.py": TESTS + "    assert add(2, 2) == 4\n"})
    evidence = bench.verify(good, commit)
    assert evidence.verdict == "verified", evidence
    assert any("tests/test_calc.py" in note for note in evidence.notes)
    assert len(evidence.commands) == 2


def test_tests_that_are_moved_are_not_missing(bench, good):
    commit = bench.commit({"tests/test_calc.py": None, "tests/unit/test_calc.py": TESTS})
    evidence = bench.verify(good, commit)
    assert "was deleted" not in str(evidence.faults)
    assert evidence.verdict == "verified", evidence


FORGED = """import os
case = '<testcase classname="tests.test_calc" name="test_%s" file="tests/test_calc.py"/>'
with open(os.environ["PYTEST_ADDOPTS"].split()[0].partition("=")[2], "w") as report:
    report.write("<testsuite>" + case % "add" + case % "one" + "</testsuite>")
os._exit(0)
"""
HOOK = (
    "import pytest\n\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item):\n"
    "    done = yield\n    report = done.get_result()\n    report.outcome = 'passed'\n"
)
PLANTED = {
    "conftest.py": HOOK,
    "tests/conftest.py": "collect_ignore = ['test_calc.py']\n",
    "pytest.ini": "[pytest]\naddopts = --deselect tests/test_calc.py::test_add\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-k one'\n",
    "setup.cfg": "[tool:pytest]\naddopts = -k one\n",
    "sitecustomize.py": "import os\n",
    "pytest.py": "print('2 passed')\n",
    "platform.py": FORGED,
    "tests/difflib/__init__.py": FORGED,
    "tests/_pytest/__init__.py": FORGED,
    "usercustomize.py": FORGED,
}


@pytest.mark.parametrize("name", PLANTED)
def test_configuration_that_hides_failures(bench, good, name):
    evidence = bench.verify(good, bench.commit({"calc.py": BROKEN, name: PLANTED[name]}))
    assert evidence.verdict == "failed"
    assert ADD in evidence.tests.broken
    assert "test_tampering" in categories(evidence), evidence


def test_a_runners_name_beside_a_package_of_the_tasks_own(bench, good):
    planted = {"calc.py": BROKEN, "__init__.py": "", "pytest.py": FORGED}
    evidence = bench.verify(good, bench.commit(planted))
    assert "test_tampering" in categories(evidence), evidence
    assert ADD in evidence.tests.broken


def test_modules_that_only_are_named_as_those_of_python(bench, good):
    """They lie in a package, or the plan has named them so."""
    files = {"pkg/__init__.py": "", "pkg/json.py": "x = 1\n", "statistics.py": "y = 1\n"}
    commit = bench.commit(files)
    evidence = bench.verify(good, commit)
    assert [f.path for f in evidence.faults] == ["statistics.py"], evidence
    evidence = bench.verify(good, commit, files=("statistics.py",))
    assert (evidence.verdict, evidence.faults) == ("verified", ()), evidence


MORE = "import pytest\nfrom calc import add\n\n\ndef test_more():\n    "
IDLE = "the tests it added pass without the rest of its work, too"
TWICE = CALC + "\n\ndef twice(a):\n    return add(a, a)\n"


@pytest.mark.parametrize(
    ("added", "verdict"),
    [
        ("add(1, 2)", "unverified"),
        ("assert add(2, 2) == 4", "unverified"),
        ("from calc import twice\n    assert twice(2) == 4", "verified"),
    ],
)
def test_new_tests_that_pass_without_the_work_are_no_proof_of_it(bench, good, added, verdict):
    commit = bench.commit({"calc.py": TWICE, "tests/test_more.py": MORE + added + "\n"})
    evidence = bench.verify(good, commit)
    assert (evidence.verdict, evidence.faults) == (verdict, ()), evidence
    assert (evidence.reason == IDLE) is (verdict == "unverified")
    assert "tests/test_more.py::test_more" in evidence.tests.passed
    # What its author says is proof holds.
    assert bench.verify(good, commit, verify="grep -q twice calc.py").verdict == "verified"


@pytest.mark.parametrize(
    ("added", "verdict"), [("add(1, 2)", "unverified"), ("assert add(2, 2) == 4", "verified")]
)
def test_work_that_is_tests_alone_asserts_something(bench, good, added, verdict):
    evidence = bench.verify(good, bench.commit({"tests/test_more.py": MORE + added + "\n"}))
    assert (evidence.verdict, evidence.faults) == (verdict, ()), evidence


def test_a_command_of_the_tasks_own_making_is_no_proof_of_it(bench):
    base = bench.commit({"a.txt": "a\n"})
    work = {"a.sh": "exit 0\n", "Makefile": "test:\n\ttrue\n"}
    evidence = bench.verify(base, bench.commit(work))
    assert (evidence.verdict, evidence.reason) == ("unverified", IDLE), evidence
    evidence = bench.verify(base, bench.commit({**work, "Makefile": "test:\n\tsh a.sh\n"}))
    assert evidence.verdict == "verified", evidence


def test_a_harmless_conftest_is_verified_apart(bench, good):
    text = "import pytest\n\n\n@pytest.fixture\ndef two():\n    return 2\n"
    more = "def test_two(two):\n    assert two == 2\n"
    commit = bench.commit({"tests/conftest.py": text, "tests/test_two.py": more})
    evidence = bench.verify(good, commit)
    assert evidence.verdict == "verified", evidence
    assert "tests/test_two.py::test_two" in evidence.tests.passed


def test_dependencies_may_be_added_where_tests_are_configured(bench):
    files = {"calc.py": CALC, "tests/test_calc.py": TESTS}
    text = "[project]\nname = 'a'\nversion = '1'\n\n[tool.pytest.ini_options]\naddopts = '-q'\n"
    base = bench.commit({**files, "pyproject.toml": text})
    changed = text.replace("version", "dependencies = ['x']\nversion")
    evidence = bench.verify(base, bench.commit({"pyproject.toml": changed}))
    assert (evidence.verdict, len(evidence.commands)) == ("verified", 1), evidence


def test_an_exit_in_the_code_is_no_pass(bench, good):
    calc = "import os\nos._exit(0)\n" + CALC
    assert bench.verify(good, bench.commit({"calc.py": calc})).verdict == "failed"


def test_own_commands(bench, good):
    commit = bench.commit({"done.txt": "yes\n"})
    assert bench.verify(good, commit, verify="grep -q yes done.txt").verdict == "verified"
    evidence = bench.verify(good, commit, verify="grep -q no done.txt")
    assert categories(evidence) == {"incomplete"}
    both = ("grep -q no done.txt # exit 1", "test -s done.txt")
    assert bench.verify(good, commit, verify=both).verdict == "verified"
    evidence = bench.verify(good, commit, verify="no-such-program")
    assert categories(evidence) == {"tool_failure"}


def test_modes(bench, good):
    commit = bench.commit({"calc.py": BROKEN})
    for mode in ("skip", "agent"):
        evidence = bench.verify(good, commit, Settings(mode=mode))
        assert (evidence.verdict, evidence.commands) == ("unverified", ())
    evidence = bench.verify(good, commit, Settings(mode="pytest"))
    assert evidence.verdict == "failed"
    assert bench.verify(good, commit, Settings(mode="cargo")).verdict == "unverified"
    evidence = bench.verify(good, commit, Settings(command="python -c 'import calc'"))
    assert [one.origin for one in evidence.commands] == ["settings"]


def test_a_command_that_does_not_end(bench, good):
    commit = bench.commit({"calc.py": CALC + "while True:\n    pass\n"})
    evidence = bench.verify(good, commit, Settings(seconds=3))
    assert categories(evidence) == {"timeout"}
    assert evidence.commands[0].exit_code is None


def test_the_base_is_run_once(bench, good):
    first = bench.commit({"calc.py": CALC + "\nX = 1\n"})
    bench.verify(good, first)
    pytests = [run for run in bench.runs if "python -m pytest" in run[-1]]
    assert len(pytests) == 2
    second = bench.commit({"calc.py": CALC + "\nX = 2\n"})
    assert bench.verify(first, second).verdict == "verified"
    pytests = [run for run in bench.runs if "python -m pytest" in run[-1]]
    assert len(pytests) == 1  # what the first task left is known


def test_a_second_agent_does_not_make_good_what_failed(bench, good):
    silent = bench.verify(good, bench.commit({"notes.md": "x\n"}), Settings(mode="agent"))
    yes = accepted(silent, (), "both criteria hold")
    assert (yes.verdict, yes.reason, yes.levels[-1]) == (
        "verified",
        "both criteria hold",
        "acceptance",
    )
    no = Fault(category="incomplete", message="the second criterion does not hold")
    assert accepted(silent, (no,), "one holds").verdict == "failed"
    failed = bench.verify(good, bench.commit({"calc.py": BROKEN}))
    assert accepted(failed, (), "fine").verdict == "failed"
    assert accepted(failed, (), "fine").reason == failed.reason


def test_a_file_whose_tests_could_not_be_collected_is_not_lost(bench):
    files = {"tests/test_calc.py": TESTS, "tests/test_one.py": "def test_one():\n    pass\n"}
    base = bench.commit(files)
    evidence = bench.verify(base, bench.commit({"calc.py": CALC}))
    assert (evidence.verdict, evidence.faults) == ("verified", ()), evidence
    assert evidence.tests.missing == ("tests/test_calc.py",)
    gone = bench.verify(base, bench.commit({"tests/test_calc.py": None}))
    assert "test_tampering" in categories(gone), gone


def test_what_failed_before_counts_if_it_tests_what_the_task_names(bench):
    files = {"calc.py": BROKEN, "tests/test_calc.py": TESTS}
    base, commit = bench.commit(files), bench.commit({"calc.py": BROKEN + "\nX = 1\n"})
    assert bench.verify(base, commit).verdict == "verified"
    evidence = bench.verify(base, commit, names=frozenset({"add"}))
    assert (evidence.verdict, categories(evidence)) == ("failed", {"incomplete"})
    assert evidence.faults[0].message.startswith(f"{ADD} fails as before the task, which names add")
    assert "assert" in evidence.faults[0].message
    # It may be that nobody can make it pass: it is told of, and a person decides.
    evidence = bench.verify(base, commit, names=frozenset({"add"}), last=True)
    assert (evidence.verdict, evidence.faults) == ("unverified", ())
    assert ADD in evidence.reason
    mended = bench.commit({"calc.py": CALC})
    assert bench.verify(base, mended, names=frozenset({"add"})).verdict == "verified"


def test_tests_that_pass_as_before_are_no_proof_of_what_they_do_not_see(bench, good):
    note = bench.verify(good, bench.commit({"NOTES.md": "Done.\n"}))
    assert (note.verdict, note.faults) == ("unverified", ())
    assert "only text" in note.reason
    beside = bench.commit({"junk.py": "x = 1\n"})
    assert bench.verify(good, beside, files=("calc.py",)).verdict == "unverified"
    assert bench.verify(good, beside, files=("junk.py",)).verdict == "verified"
    # What its author says is proof holds.
    assert bench.verify(good, beside, files=("calc.py",), verify="true").verdict == "verified"
