"""What code hosts send: who has signed it, and which pull request it is about."""

import hashlib
import hmac
import json

import pytest

from stoker.hosting.settings import load, webhook_secret
from stoker.hosting.webhook import About, Unsigned, about, verify
from stoker.toml_file import BadFile

SECRET = "hush"
BODY = b'{"a": 1}'
DIGEST = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
SIGNED = [
    ("github", "x-hub-signature-256", f"sha256={DIGEST}"),
    ("gitea", "x-gitea-signature", DIGEST),
    ("gitlab", "x-gitlab-token", SECRET),
]


@pytest.mark.parametrize(("provider", "name", "value"), SIGNED)
def test_only_who_knows_the_secret_is_believed(provider, name, value):
    verify(provider, {name: value}, BODY, SECRET)
    with pytest.raises(Unsigned, match="is missing"):
        verify(provider, {}, BODY, SECRET)
    for wrong in ("", "sha256=", value[:-1], value.upper(), value + "\u00e9"):
        with pytest.raises(Unsigned, match="not made with the secret") as caught:
            verify(provider, {name: wrong}, BODY, SECRET)
        assert SECRET not in str(caught.value)
    if provider != "gitlab":
        with pytest.raises(Unsigned):
            verify(provider, {name: value}, BODY + b" ", SECRET)


def test_githubs_own_example():
    """Of its page on validating deliveries."""
    signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": f"sha256={signature}"}
    verify("github", headers, b"Hello, World!", "It's a Secret to Everybody")


REPOSITORY = {"full_name": "acme/widgets"}
PROJECT = {"path_with_namespace": "acme/tools/widgets"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"repository": REPOSITORY, "pull_request": {"number": 3}}, About("acme/widgets", 3)),
        ({"repository": REPOSITORY, "issue": {"number": 4}}, About("acme/widgets", 4)),
        (
            {
                "object_kind": "merge_request",
                "project": PROJECT,
                "object_attributes": {"iid": 5, "id": 99},
            },
            About("acme/tools/widgets", 5),
        ),
        (
            {
                "object_kind": "note",
                "project": PROJECT,
                "object_attributes": {"iid": 99},
                "merge_request": {"iid": 6},
            },
            About("acme/tools/widgets", 6),
        ),
        ({"zen": "Design for failure.", "repository": REPOSITORY}, None),
        ({"object_kind": "issue", "project": PROJECT, "object_attributes": {"iid": 7}}, None),
        ({"repository": [], "pull_request": {"number": "3"}}, None),
        ([], None),
    ],
)
def test_which_pull_request_it_is_about(told, expected):
    assert about(json.dumps(told).encode()) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json(body):
    with pytest.raises(ValueError, match=r"\w"):
        about(body)


def test_where_the_secret_is(tmp_path):
    file = tmp_path / "hosting.toml"
    file.touch(0o600)
    file.write_text('[hosts."github.com"]\nwebhook_secret_env = "HOOK"\n')
    known = load(tmp_path)
    assert webhook_secret(known, "github.com", {"HOOK": SECRET}) == SECRET
    assert webhook_secret(known, "github.com", {"HOOK": ""}) is None
    assert webhook_secret(known, "gitlab.com", {"HOOK": SECRET}) is None
    file.write_text(f'[hosts."github.com"]\nwebhook_secret = "{SECRET}"\n')
    assert webhook_secret(load(tmp_path), "github.com", {}) == SECRET
    assert SECRET not in repr(load(tmp_path))
    file.chmod(0o644)
    with pytest.raises(BadFile):
        load(tmp_path)
