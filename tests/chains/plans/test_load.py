"""Settings of chain groups, from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from stoker.chains.load import keep, load
from stoker.chains.settings import ChainSettings, Settings
from stoker.toml_file import BadFile

GOOD = """
sender = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"
[chains.mainnet]
id = 1
rpc = "https://eth.example/v2/${RPC_KEY}"
[chains.op]
id = 10
rpc = "http://127.0.0.1:8546"
signs = true
[model]
base_url = "https://api.example/v1"
model = "large"
api_key = "${MODEL_KEY}"
[limits]
seconds = 10
"""
ENV = {"RPC_KEY": "s3cr3t-rpc", "MODEL_KEY": "s3cr3t-model"}


def written(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "chains.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def fault(path: Path, environ: dict[str, str] = ENV) -> str:
    with pytest.raises(BadFile) as caught:
        load(path, environ)
    assert caught.value.path == str(path)
    return caught.value.reason


def test_variables_are_filled_in_and_what_was_written_is_known(tmp_path: Path) -> None:
    found = load(written(tmp_path, GOOD, 0o644), ENV)
    assert found.settings.chains["mainnet"].rpc == "https://eth.example/v2/s3cr3t-rpc"
    assert found.written.chains["mainnet"].rpc == "https://eth.example/v2/${RPC_KEY}"
    assert found.settings.sender == "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
    assert found.settings.chains["op"] == ChainSettings(
        id=10, rpc="http://127.0.0.1:8546", signs=True
    )
    assert set(found.secrets) == set(ENV.values())
    assert found.settings.limits.seconds == 10
    assert "s3cr3t" not in repr(found)


def test_a_project_without_the_file_is_told_what_to_write(tmp_path: Path) -> None:
    told = fault(tmp_path / "chains.toml")
    _, _, example = told.partition("\n")
    assert load(written(tmp_path, example), ENV).settings.chains["mainnet"].id == 1


def test_all_faults_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    told = fault(
        written(
            tmp_path,
            """
            sendr = "x"
            [chains.a]
            id = "one"
            rpc = ["https://eth.example/s3cr3t"]
            [model]
            model = "large"
            """,
        )
    )
    assert "did you mean 'sender'" in told
    assert "chains.a.id: expected a whole number" in told
    assert "chains.a.rpc: expected a string" in told
    assert "model: the required field 'base_url' is missing" in told
    assert "s3cr3t" not in told


def test_what_cannot_be_meant_is_told(tmp_path: Path) -> None:
    told = fault(
        written(
            tmp_path,
            """
            sender = "0x12"
            [chains.a]
            id = 0
            rpc = "eth.example"
            [chains.b]
            id = 7
            rpc = "${NOWHERE}"
            block = -1
            [chains.c]
            id = 7
            rpc = "http://["
            [limits]
            seconds = 0
            """,
        )
    )
    for words in (
        "sender: expected an address",
        "chains.a.id: expected a number from 1, found 0",
        "chains.a.rpc: expected an http(s) URL",
        "chains.b.rpc: the variable NOWHERE is not set",
        "chains.b.block: expected a number from 0, found -1",
        "chains.c.id: 7 is the id of chains.b already",
        "chains.c.rpc: expected an http(s) URL",
        "limits.seconds: expected a number above 0",
    ):
        assert words in told, words
    assert told.count("chains.b.rpc") == 1
    assert "expected a chain, found none" in fault(written(tmp_path, "[chains]"))


@pytest.mark.parametrize("text", ["[chains", 'key = "s3cr3t', "a = 1\na = 2"])
def test_what_is_no_toml_is_told_by_its_place(tmp_path: Path, text: str) -> None:
    told = fault(written(tmp_path, text))
    assert told.startswith("is not TOML")
    assert "s3cr3t" not in told


def test_keys_that_others_can_read_are_refused(tmp_path: Path) -> None:
    text = GOOD.replace("${MODEL_KEY}", "s3cr3t-literal")
    assert "chmod 600" in fault(written(tmp_path, text, 0o644))
    assert "s3cr3t-literal" in load(written(tmp_path, text, 0o600), ENV).secrets


def test_settings_made_in_a_program_come_back(tmp_path: Path) -> None:
    made = Settings(chains={"a": ChainSettings(id=1, rpc="http://127.0.0.1:1")}, workers=2)
    path = keep(made, tmp_path)
    assert path == keep(made, tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    assert load(path, {}).settings == made
