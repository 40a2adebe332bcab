"""Which repository a URL means, and where its token is."""

import pytest

from stoker.hosting import errors, settings
from stoker.hosting.detection import detect
from stoker.hosting.settings import Host, Settings
from stoker.toml_file import BadFile

OWN = Settings(
    {
        "git.example.com": Host(provider="gitea", api="https://git.example.com/api/v1/"),
        "dev.example.com:8443": Host(
            provider="gitlab", api="https://dev.example.com:8443/lab/api/v4"
        ),
    }
)


@pytest.mark.parametrize(
    ("url", "provider", "path", "push"),
    [
        ("https://github.com/acme/widgets.git", "github", "acme/widgets", True),
        ("https://GitHub.com/acme/widgets/", "github", "acme/widgets", True),
        ("https://dev:pa55@github.com/acme/widgets", "github", "acme/widgets", True),
        ("git@github.com:acme/widgets.git", "github", "acme/widgets", False),
        ("ssh://git@ssh.github.com:443/acme/widgets.git", "github", "acme/widgets", False),
        ("git@gitlab.com:a/b/c/widgets.git", "gitlab", "a/b/c/widgets", False),
        ("https://codeberg.org/acme/wid%20gets", "gitea", "acme/wid gets", True),
        ("ssh://git@git.example.com:2222/acme/widgets", "gitea", "acme/widgets", False),
        ("https://git.example.com:3000/acme/widgets", "gitea", "acme/widgets", True),
        ("https://dev.example.com:8443/lab/a/b/widgets.git", "gitlab", "a/b/widgets", True),
    ],
)
def test_detected(url, provider, path, push):
    found = detect(url, OWN)
    assert (found.provider, found.path) == (provider, path)
    assert not found.api.endswith("/")
    assert "pa55" not in repr(found)
    assert (found.push_url is not None) is push
    if push:
        assert found.push_url.startswith(found.push_origin)


@pytest.mark.parametrize(
    "url",
    [
        "/srv/git/widgets.git",
        "../widgets",
        "file:///srv/git/widgets.git",
        "https://github.com/acme",
        "https://github.com/",
        "https://github.com/a/b/c",
        "https://github.com/../widgets",
        "https://elsewhere.example.com/acme/widgets",
        "git@elsewhere.example.com:acme/widgets",
        "ext::sh -c true",
    ],
)
def test_not_hosted(url):
    with pytest.raises(errors.NotHosted):
        detect(url, OWN)


def write(directory, text, mode=0o600):
    path = directory / settings.FILE
    path.write_text(text)
    path.chmod(mode)
    return settings.load(directory)


def test_tokens_from_the_environment(tmp_path):
    found = settings.load(tmp_path)
    environ = {"GITHUB_TOKEN": "later", "GH_TOKEN": " sooner\n"}
    assert settings.token(found, "github.com", environ) == "sooner"
    with pytest.raises(errors.TokenMissing, match=r"\$STOKER_GITLAB_TOKEN or \$GITLAB_TOKEN"):
        settings.token(found, "gitlab.com", environ)
    with pytest.raises(BadFile) as caught:
        settings.token(found, "github.com", {"GH_TOKEN": "two words"})
    assert "words" not in str(caught.value)


def test_tokens_from_the_file(tmp_path):
    text = '[hosts."github.com"]\ntoken = "t0ken"\n'
    found = write(tmp_path, text)
    assert settings.token(found, "github.com", {"GH_TOKEN": "other"}) == "t0ken"
    assert detect("git@github.com:a/b", found).api == "https://api.github.com"
    assert "t0ken" not in repr(found)
    with pytest.raises(BadFile, match="chmod 600"):
        write(tmp_path, text, 0o640)


def test_a_host_of_ones_own(tmp_path):
    found = write(
        tmp_path,
        '[hosts."git.example.com"]\nprovider = "gitea"\n'
        'api = "https://git.example.com/api/v1"\ntoken_env = "MINE"\n',
        0o644,
    )
    assert settings.token(found, "git.example.com:3000", {"MINE": "x1"}) == "x1"
    # What is for well-known hosts is not sent to others.
    with pytest.raises(errors.TokenMissing, match=r"\$MINE or hosting.toml"):
        settings.token(found, "git.example.com", {"GITEA_TOKEN": "x", "GITHUB_TOKEN": "x"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('token = "t0ken"', "unknown field"),
        ('[hosts."a.b"]\nprovider = "svn"', "Invalid enum value"),
        ('[hosts."a.b"]\nprovider = "gitea"', "expected provider and api"),
        ('[hosts."a.b"]\nprovider = "gitea"\napi = "ftp://a.b"', r"expected an http\(s\) URL"),
        ('[hosts."a.b"]\nprovider = "gitea"\napi = "https://u:p@a.b"', "expected an http"),
        ('token = "t0ken', "is not TOML"),
    ],
)
def test_settings_that_make_no_sense(tmp_path, text, reason):
    with pytest.raises(BadFile, match=reason) as caught:
        write(tmp_path, text)
    assert "t0ken" not in str(caught.value)
    assert settings.FILE in str(caught.value)
