"""Commands about plan files and about the installation: validate, schema, plan, doctor, ..."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import forges
import jsonschema
import yaml


def test_validate_is_a_gate(project) -> None:
    good = project.plan({"id": "a", "run": "true"}, name="good.plan.json")
    (project.directory / "bad.yaml").write_text(
        "plan_id: bad\nsteps:\n  - id: a\n    run: x\n    depends_on: [b]\n    retires: 1\n"
    )
    done = project.run("validate", good)
    assert (done.returncode, done.stdout, done.stderr) == (0, "good.plan.json: ok\n", "")
    done = project.run("validate", "bad.yaml", good, "none.json")
    assert (done.returncode, done.stdout) == (2, "good.plan.json: ok\n")
    problems = done.stderr.splitlines()
    assert problems[0].startswith("bad.yaml:5:18: steps[0].depends_on[0]: unknown step 'b'")
    assert problems[1].startswith("bad.yaml:6:5: steps[0].retires: unknown field 'retires'")
    assert problems[2].startswith("none.json: cannot be read")
    done = project.run("validate", "bad.yaml", "-", "--json", stdin=json.dumps({"plan_id": "x"}))
    assert done.returncode == 2
    bad, piped = json.loads(done.stdout)
    assert (bad["file"], bad["ok"], len(bad["problems"])) == ("bad.yaml", False, 2)
    assert bad["problems"][1] == {
        "file": "bad.yaml",
        "line": 6,
        "column": 5,
        "pointer": "/steps/0/retires",
        "severity": "error",
        "message": bad["problems"][1]["message"],
    }
    assert piped["ok"] is False
    outer = project.plan(
        {"id": "a", "step_def": {"type": "plan", "path": "bad.yaml"}}, name="o.json"
    )
    done = project.run("validate", outer, "--json")
    assert [fault["file"] for fault in json.loads(done.stdout)[0]["problems"]] == ["bad.yaml"] * 2
    done = project.run("run", outer)
    assert (done.returncode, "bad.yaml:5:18: " in done.stderr) == (2, True)
    warned = project.plan({"id": "a", "run": "true"}, name="w.json")
    done = project.run("validate", warned, "--var", "UNUSED=1")
    assert done.returncode == 0
    assert "warning" in done.stderr


def test_schema_is_one_that_plans_satisfy(project) -> None:
    schema = json.loads(project.run("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"plan_id": "p", "steps": [{"id": "a", "run": "x"}]}, schema)


def test_plan_show_and_graph(project) -> None:
    plan = project.plan(
        {"id": "build", "command": "make", "args": ["all"], "provides": ["binary"]},
        {"id": "test", "run": "ctest", "consumes": ["binary"], "retries": 1, "timeout_sec": 60},
        {"id": "report", "run": "report", "condition": "prev.test.status == 'failed'"},
        inputs={"key": {"secret": True, "default": "hunter2-xyz"}},
    )
    shown = project.run("plan", "show", plan).stdout
    assert "3 steps in 3 waves" in shown
    assert "      make all\n" in shown
    assert "after build\n      timeout 60 s, 1 retry, consumes binary" in shown
    assert "when settled: test" in shown
    assert "hunter2-xyz" not in shown
    assert json.loads(project.run("plan", "show", plan, "--json").stdout)["plan_id"] == "demo"
    assert project.run("plan", "graph", plan).stdout.splitlines()[:4] == [
        "wave 1",
        "  build",
        "wave 2",
        "  test  (after build)",
    ]
    assert project.run("plan", "graph", plan, "--format", "svg", "-o", "p.svg").returncode == 0
    ElementTree.parse(project.directory / "p.svg")
    assert project.run("plan", "graph", plan, "--format", "mermaid").stdout.startswith("flowchart")
    assert project.run("plan", "graph", plan, "--format", "dot").stdout.startswith("digraph")
    done = project.run("plan", "graph", plan, "-o", "no/such/dir")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_doctor_finds_a_damaged_journal(project) -> None:
    plan = project.plan({"id": "a", "run": "true"})
    done = project.run("doctor", "--json")
    assert done.returncode == 0, done.stdout
    names = {finding["name"] for finding in json.loads(done.stdout)["findings"]}
    assert names >= {
        "chains",
        "mcp",
        "outlines",
        "solidity",
        "telemetry",
        "python",
        "sqlite",
        "journal",
        "disk",
        "git",
        "powershell",
        "inotify",
        "pidfd",
    }
    assert project.run("run", plan, "-q").returncode == 0
    assert ": sound, 1 run\n" in project.run("doctor").stdout
    journal = project.directory / ".stoker/journal.db"
    data = bytearray(journal.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    journal.write_bytes(data)
    done = project.run("doctor")
    assert done.returncode == 1
    assert "problem" in done.stdout
    assert "Traceback" not in done.stderr


def test_doctor_tells_how_to_get_a_solidity_compiler_and_which_one_there_is(project) -> None:
    def told(**variables: str) -> dict[str, str]:
        done = project.run("doctor", "--json", XDG_CACHE_HOME=str(project.directory), **variables)
        findings = json.loads(done.stdout)["findings"]
        return next(finding for finding in findings if finding["name"] == "solidity")

    (project.directory / "bin").mkdir()
    bare = str(project.directory / "bin")
    assert told(PATH=bare)["status"] == "absent"
    assert told(PATH=bare)["remedy"] == "stoker chain setup"
    package = project.directory / "node_modules/solc"
    package.mkdir(parents=True)
    (package / "soljson.js").write_text("")
    (package / "package.json").write_text('{"version": "0.8.30"}')
    found = told(PATH=bare)
    assert (found["status"], found["detail"]) == ("ok", f"0.8.30 solc-js, {package}")


def test_doctor_asks_code_hosts_whose_token_it_is(project, tmp_path_factory) -> None:
    def findings(**variables: str) -> dict[str, tuple[str, str]]:
        done = project.run("doctor", "--json", **variables)
        assert forges.TOKEN not in done.stdout + done.stderr
        found = json.loads(done.stdout)["findings"]
        return {one["name"]: (one["status"], one["detail"]) for one in found}

    with forges.Serving("gitea", tmp_path_factory.mktemp("forge")) as forge:
        git = ("git", "-C", project.directory)
        subprocess.run([*git, "init", "-q"], check=True)
        assert not [name for name in findings() if name.startswith("at ")]
        subprocess.run([*git, "remote", "add", "origin", "git@github.com:a/b.git"], check=True)
        status, detail = findings(GITHUB_TOKEN="", GH_TOKEN="")["at github.com"]
        assert (status, "no token for github.com" in detail) == ("absent", True)
        subprocess.run([*git, "remote", "remove", "origin"], check=True)

        settings = project.directory / ".stoker/hosting.toml"
        settings.parent.mkdir(mode=0o700, exist_ok=True)
        settings.touch(0o600)
        text = (
            f'[hosts."{forge.host}"]\nprovider = "gitea"\n'
            f'api = "{forge.url}{forge.prefix}"\ntoken_env = "HERE"\n'
        )
        settings.write_text(text)
        at = f"at {forge.host}"
        status, detail = findings(HERE=forges.TOKEN)[at]
        assert (status, detail.partition(";")[0]) == ("ok", "gitea, as dev")
        assert "no webhook_secret" in detail
        settings.write_text(f'{text}webhook_secret = "hush"\n')
        assert findings(HERE=forges.TOKEN)[at] == ("ok", "gitea, as dev; takes webhooks")
        status, detail = findings(HERE="wr0ng")[at]
        assert (status, "does not accept the token" in detail) == ("absent", True)
    status, _ = findings(HERE=forges.TOKEN)[at]  # which is gone now
    assert status == "absent"
    settings.write_text("[hosts\n")
    assert findings()["code host"][0] == "problem"


def test_help_and_completion_cover_every_command(project) -> None:
    from stoker.cli.main import COMMANDS

    listed = project.run("--help").stdout
    assert {line.split()[0] for line in listed.splitlines() if line.strip()} >= set(COMMANDS)
    script = project.run("completion", "bash").stdout
    assert all(name in script for name in COMMANDS)
    assert project.run("--version").stdout.startswith("stoker ")


def test_bash_completes_commands_options_values_files_and_runs(project) -> None:
    project.run("run", project.plan({"id": "a", "run": "true"}), "--run-id", "nightly")
    script = f"""{project.run("completion", "bash").stdout}
        stoker() {{ {sys.executable} -m stoker "$@"; }}
        while read -ra COMP_WORDS; do
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMPREPLY=()
            _shtab_stoker stoker "${{COMP_WORDS[COMP_CWORD]}}"
            echo "${{COMPREPLY[*]}}"
        done"""
    asked = {
        "stoker rer": "rerun",
        "stoker run --inp": "--input --inputs-file",
        "stoker run --durability pow": "power",
        "stoker plan graph --format s": "svg",
        "stoker run pl": "plan.json",
        "stoker run --inputs-file pl": "plan.json",
        "stoker show night": "nightly",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=project.directory,
        env=project.environment,
        input="\n".join(asked) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert dict(zip(asked, done.stdout.splitlines(), strict=True)) == asked


def test_the_commit_hook_is_well_formed(pytestconfig) -> None:
    [hook] = yaml.safe_load((pytestconfig.rootpath / ".pre-commit-hooks.yaml").read_text())
    assert (hook["id"], hook["entry"]) == ("stoker-validate", "stoker validate")
    names = ("plan.yaml", "ci/release.plan.json", "plan.yml.j2", "planning.yaml", "plan.toml")
    assert [bool(re.search(hook["files"], name)) for name in names] == [True] * 2 + [False] * 3
