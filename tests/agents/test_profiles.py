"""Profiles: defaults, the file over them, and its faults with their places."""

import json

import pytest

from stoker.agents.policy import Policy
from stoker.agents.profiles import Profiles, UnknownProfile, load, loads, place, save
from stoker.plan.errors import PlanError


def test_every_default_is_whole():
    profiles = Profiles()
    assert set(profiles.executors()) >= {
        *("CLAUDE_CODE", "CODEX", "GEMINI", "QWEN_CODE", "OPENCODE"),
        *("BUILTIN", "COMMAND", "SCRIPTED"),
    }
    for executor, variants in profiles.executors().items():
        for variant in variants:
            profile = profiles.profile(executor, variant)
            assert profile.command
            assert profile.policy.mode == ("ask" if variant == "APPROVALS" else "allow")


def test_a_file_goes_over_the_defaults():
    text = {
        "executors": {
            "CODEX": {"DEFAULT": {"CODEX": {"model": "m", "env": {"A": "1"}}}},
            "GEMINI": {"FAST": {"GEMINI": {"base_command_override": "npx -y 'my gemini'"}}},
            "CLAUDE_CODE": {"YOLO": {"dangerously_skip_permissions": True, "approvals": "ask"}},
            "MINE": {"DEFAULT": {"driver": "acp", "command": ["mine"]}, "B": {"model": "x"}},
        }
    }
    profiles = loads(json.dumps(text), name="p.json")
    codex = profiles.profile("CODEX")
    assert (codex.driver, codex.command) == ("codex", ("codex",))
    assert (codex.settings.model, codex.settings.env) == ("m", {"A": "1"})
    fast = profiles.profile("GEMINI", "FAST")
    assert fast.command == ("npx", "-y", "my gemini")
    assert fast.settings.args == ("--acp", "--skip-trust")
    yolo = profiles.profile("CLAUDE_CODE", "YOLO")
    assert yolo.unasked
    assert yolo.policy.mode == "allow"
    assert profiles.profile("MINE", "B").driver == "acp"
    assert profiles.profile("MINE", model="x").settings.model == "x"
    assert "APPROVALS" in profiles.executors()["CODEX"]


def test_what_there_is_not_is_told_with_what_there_is():
    with pytest.raises(UnknownProfile, match="unknown executor 'CODEY'; there are CLAUDE_CODE"):
        Profiles().profile("CODEY")
    with pytest.raises(UnknownProfile, match="no variant 'X'; it has DEFAULT, APPROVALS"):
        Profiles().profile("CODEX", "X")


def test_faults_have_their_places():
    text = """{"executors": {
  "CODEX": {"DEFAULT": {"CODEX": {"modell": "m", "network": "perhaps"}}},
  "MINE": {"DEFAULT": {"command": ["x"]}},
  "GEMINI": {"DEFAULT": {"base_command_override": "'"}}
}}"""
    with pytest.raises(PlanError) as raised:
        loads(text, name="p.json")
    told = str(raised.value)
    assert "p.json:2:35: executors.CODEX.DEFAULT.CODEX" in told
    assert "modell" in told
    assert "p.json:2:61" in told
    with pytest.raises(PlanError) as raised:
        loads(text.replace('"modell"', '"model"').replace("perhaps", "on"), name="p.json")
    told = str(raised.value)
    assert "p.json:3:12: executors.MINE.DEFAULT: executor MINE is not built in" in told
    assert "p.json:4:51: executors.GEMINI.DEFAULT.base_command_override: not words" in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "expected a map, found a list"),
        ("{}", "the required field 'executors' is missing"),
        ('{"executors": []}', "expected a map, found a list"),
        ('{"executors": {"A": 1}}', "expected a map, found the number 1"),
        ('{"executors": {"A": {"B": 1}}}', "expected a map, found the number 1"),
        ('{"executors": {}, "more": 1}', "unknown field 'more'"),
    ],
)
def test_what_is_no_document_of_profiles(text, said):
    with pytest.raises(PlanError, match=said):
        loads(text, name="p.json")


def test_saving_is_all_or_nothing(tmp_path):
    file = tmp_path / "config" / "profiles.json"
    assert load(file).profile("CODEX").settings.model is None
    save(file, {"executors": {"CODEX": {"DEFAULT": {"CODEX": {"model": "m"}}}}})
    assert load(file).profile("CODEX").settings.model == "m"
    before = file.read_bytes()
    with pytest.raises(PlanError):
        save(file, {"executors": {"CODEX": {"DEFAULT": {"CODEX": {"model": 3}}}}})
    assert file.read_bytes() == before
    assert [entry.name for entry in file.parent.iterdir()] == ["profiles.json"]
    again = loads(json.dumps(load(file).document()), name="again.json")
    assert again.document() == load(file).document()
    save(file, again.document())  # what is built in is not kept: paths change with it
    assert json.loads(file.read_bytes()) == json.loads(before)


def test_where_the_file_is(tmp_path):
    assert place({"STOKER_PROFILES": "/x/y.yaml"}).as_posix() == "/x/y.yaml"
    config = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert place(config) == tmp_path / "stoker" / "profiles.json"
    (tmp_path / "stoker").mkdir()
    (tmp_path / "stoker" / "profiles.yaml").touch()
    assert place(config) == tmp_path / "stoker" / "profiles.yaml"


def test_a_policy_answers_what_its_lists_name():
    policy = Policy(commands=("git status*", "a && b"), paths=("docs/*",))
    assert policy.decide("execute", "git status -s", ()) is True
    assert policy.decide("execute", "git status; rm -rf /", ()) is None
    assert policy.decide("execute", "git status $(rm x)", ()) is None
    assert policy.decide("execute", "a && b", ()) is True
    assert policy.decide("execute", None, ()) is None
    assert policy.decide("edit", None, ("docs/a/b.md",)) is True
    assert policy.decide("edit", None, ("docs/a.md", "src/x")) is None
    assert policy.decide("edit", None, ("docs/../x",)) is None
    assert policy.decide("edit", None, ()) is None
    assert policy.decide("read", None, ("/etc/passwd",)) is True
    assert Policy(mode="deny").decide("execute", "ls", ()) is False
    assert Policy(mode="allow").decide("execute", "ls", ()) is True
