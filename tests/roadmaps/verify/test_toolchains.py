"""Projects of other languages, verified by their real tools, which are too large for every run of
the tests:

apt-get install golang-go cargo maven gradle libsurefire-java junit4
STOKER_TOOLCHAINS="go cargo maven gradle" pytest tests/roadmaps/verify/test_toolchains.py
"""

from __future__ import annotations

import os

import pytest
from msgspec import Struct

from stoker.roadmaps.verify.work import Settings

CHOSEN = os.environ["STOKER_TOOLCHAINS"].split()


class Project(Struct, frozen=True, kw_only=True):
    """Of one tool. `source` has an `add` that is right, `tests` one test that says so."""

    files: dict[str, str]
    source: str
    code: str
    tests: str
    test_code: str
    add: str
    """The id of its test."""
    more: str
    """A test more, of a function that is not there yet, in `tests`."""
    more_code: str
    """The function."""
    more_id: str


GO = Project(
    files={"go.mod": "module example.org/a\n\ngo 1.19\n"},
    source="a.go",
    code="package a\n\nfunc Add(a, b int) int { return a + b }\n",
    tests="a_test.go",
    test_code='package a\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n'
    '\tif Add(1, 2) != 3 {\n\t\tt.Fatal("wrong")\n\t}\n}\n',
    add="example.org/a.TestAdd",
    more="\nfunc TestMore(t *testing.T) {\n\tif More() != 1 {\n\t\tt.Fatal()\n\t}\n}\n",
    more_code="\nfunc More() int { return 1 }\n",
    more_id="example.org/a.TestMore",
)
CARGO = Project(
    files={"Cargo.toml": '[package]\nname = "a"\nversion = "0.1.0"\nedition = "2021"\n'},
    source="src/lib.rs",
    code="pub fn add(a: i32, b: i32) -> i32 {\n    a + b\n}\n",
    tests="tests/add.rs",
    test_code="#[test]\nfn adds() {\n    assert_eq!(a::add(1, 2), 3);\n}\n",
    add="adds",
    more="\n#[test]\nfn more() {\n    assert_eq!(a::more(), 1);\n}\n",
    more_code="\npub fn more() -> i32 {\n    1\n}\n",
    more_id="more",
)
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>org.example</groupId><artifactId>a</artifactId><version>1</version>
<properties><maven.compiler.source>8</maven.compiler.source>
<maven.compiler.target>8</maven.compiler.target>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<dependencies><dependency><groupId>junit</groupId><artifactId>junit</artifactId>
<version>4.x</version><scope>test</scope></dependency></dependencies>
<build><plugins>
<plugin><artifactId>maven-resources-plugin</artifactId><version>3.3.0</version></plugin>
<plugin><artifactId>maven-compiler-plugin</artifactId><version>3.10.1</version></plugin>
<plugin><artifactId>maven-surefire-plugin</artifactId><version>2.22.3</version></plugin>
</plugins></build></project>
"""
JAVA = Project(
    files={},
    source="src/main/java/org/example/A.java",
    code="package org.example;\n\npublic class A {\n"
    "    static int add(int a, int b) { return a + b; }\n}\n",
    tests="src/test/java/org/example/ATest.java",
    test_code="package org.example;\n\nimport org.junit.Test;\n"
    "import static org.junit.Assert.assertEquals;\n\npublic class ATest {\n"
    "    @Test\n    public void adds() { assertEquals(3, A.add(1, 2)); }\n}\n",
    add="org.example.ATest::adds",
    more="    @Test\n    public void more() { assertEquals(1, A.more()); }\n}\n",
    more_code="    static int more() { return 1; }\n}\n",
    more_id="org.example.ATest::more",
)
MAVEN = Project(
    **{
        **{name: getattr(JAVA, name) for name in JAVA.__struct_fields__},
        # Debian's packages are a repository.
        "files": {
            "pom.xml": POM,
            ".mvn/maven.config": "-Dmaven.repo.local=/usr/share/maven-repo\n",
        },
    }
)
GRADLE = Project(
    **{
        **{name: getattr(JAVA, name) for name in JAVA.__struct_fields__},
        "files": {
            "build.gradle": """apply plugin: 'java'
repositories { maven { url '/usr/share/maven-repo' } }
dependencies { testCompile 'junit:junit:4.x' }
"""
        },
    }
)
PROJECTS = {"go": GO, "cargo": CARGO, "maven": MAVEN, "gradle": GRADLE}


@pytest.fixture(params=CHOSEN)
def tool(request, bench):
    bench.env["HOME"] = os.environ["HOME"]  # what was fetched for them is there
    return request.param


@pytest.fixture
def project(tool):
    return PROJECTS[tool]


@pytest.fixture
def good(bench, project):
    code = {project.source: project.code, project.tests: project.test_code}
    return bench.commit({**project.files, **code})


PATIENT = Settings(seconds=300)


def test_tests_that_pass(bench, project, good):
    commit = bench.commit({project.source: "// More.\n" + project.code})
    evidence = bench.verify(good, commit, PATIENT)
    assert (evidence.verdict, evidence.reason) == ("verified", "1 tests passed"), evidence
    assert evidence.tests.passed == (project.add,)


def test_a_regression(bench, project, good):
    commit = bench.commit({project.source: project.code.replace("a + b", "a - b")})
    evidence = bench.verify(good, commit, PATIENT)
    assert evidence.tests.broken == (project.add,), evidence
    assert {one.category for one in evidence.faults} == {"regression"}, evidence


def test_what_does_not_compile(bench, project, good):
    commit = bench.commit({project.source: project.code.replace("a + b", "a +")})
    evidence = bench.verify(good, commit, PATIENT)
    assert evidence.verdict == "failed", evidence
    categories = [one.category for one in evidence.faults]
    assert categories[0] == "syntax_error", evidence
    assert set(categories) <= {"syntax_error", "test_failure"}, evidence
    assert project.source.rpartition("/")[2] in evidence.faults[0].message, evidence


def test_what_failed_before_does_not_count(bench, project):
    wrong = project.code.replace("a + b", "a - b")
    base = bench.commit({**project.files, project.source: wrong, project.tests: project.test_code})
    evidence = bench.verify(base, bench.commit({project.source: "// More.\n" + wrong}), PATIENT)
    assert (evidence.verdict, evidence.faults) == ("unverified", ()), evidence
    assert evidence.tests.failed_before == (project.add,)
    evidence = bench.verify(base, bench.commit({project.source: project.code}), PATIENT)
    assert (evidence.verdict, evidence.tests.fixed) == ("verified", (project.add,)), evidence


def test_no_tests_are_no_proof(bench, project):
    base = bench.commit({**project.files, project.source: project.code})
    commit = bench.commit({project.source: "// More.\n" + project.code})
    evidence = bench.verify(base, commit, PATIENT)
    assert (evidence.verdict, evidence.faults) == ("unverified", ()), evidence


def test_new_tests_of_what_is_new(bench, project, good):
    code = project.code.rstrip().removesuffix("}") if project.source.endswith(".java") else ""
    code = (code or project.code) + project.more_code
    tests = project.test_code
    tests = (tests.rstrip().removesuffix("}") if tests.count("class") else tests) + project.more
    evidence = bench.verify(
        good, bench.commit({project.source: code, project.tests: tests}), PATIENT
    )
    assert (evidence.verdict, evidence.faults) == ("verified", ()), evidence
    assert evidence.tests.added == (project.more_id,)


def test_a_test_that_is_gone(bench, project, good):
    gone = bench.commit({project.tests: None, project.source: "// More.\n" + project.code})
    evidence = bench.verify(good, gone, PATIENT)
    assert "test_tampering" in {one.category for one in evidence.faults}, evidence
