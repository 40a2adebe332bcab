"""How git is run so that a repository nobody vouches for cannot run anything, and neither its
user's settings nor the caller's environment change what a command does.

A repository's own config is read by git whatever one does; so the settings in it that name
programs are overridden, from the environment, which is stronger. Attributes choose filters and
merge drivers by names that can't be known before: `overrides` reads them from the config. Somebody
who can write the config at the very moment git starts is not stopped by that: a sandbox should have
it read-only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from stoker.workspace.model import Author

Settings = tuple[tuple[str, str], ...]

SETTINGS: Final[Settings] = (
    # No daemon and no clean-up of git's is left behind.
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    # No hooks, and no program that the repository's own config names.
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.pager", "cat"),
    ("core.attributesFile", os.devnull),
    ("gpg.program", "false"),
    ("gpg.ssh.program", "false"),
    ("gpg.x509.program", "false"),
    ("gpg.ssh.defaultKeyCommand", "false"),
    # Nothing but what the arguments say.
    ("commit.gpgSign", "false"),
    ("log.showSignature", "false"),
    ("merge.verifySignatures", "false"),
    ("merge.autoStash", "false"),
    ("rebase.autoStash", "false"),
    ("rebase.autoSquash", "false"),
    ("rebase.updateRefs", "false"),
    ("rebase.rebaseMerges", "false"),
    ("rebase.stat", "false"),
    ("advice.detachedHead", "false"),
    ("core.logAllRefUpdates", "true"),
    # A submodule is a repository of its own, with a config of its own that nothing overrides.
    ("submodule.recurse", "false"),
    ("diff.ignoreSubmodules", "dirty"),
    ("status.submoduleSummary", "false"),
    ("safe.directory", "*"),
    # A file that was changed by whoever is at work does not pass for unchanged.
    ("core.trustCtime", "true"),
    ("core.checkStat", "default"),
    ("core.ignoreStat", "false"),
)
"""What is overridden in every repository."""
_PASSED_ON: Final = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CONFIG_HOME")
_NETWORK: Final = (
    *("SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"),
)
_SECTIONS: Final = (b"[filter", b"[merge", b"[hook", b"[include")
# What git does by itself; an empty driver would silently keep one side.
_MERGE_DRIVER: Final = "git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B"


def environment(*, user_config: bool = False) -> dict[str, str]:
    """The variables git is run with, without those that name a repository. `user_config`: with
    the user's own settings, and those of the network."""
    names = (*_PASSED_ON, *(_NETWORK if user_config else ()))
    env = {name: os.environ[name] for name in names if name in os.environ}
    env |= {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_EDITOR": "true",
        "GIT_SEQUENCE_EDITOR": "true",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        # Also for the objects that a partial clone would fetch on its own.
        "GIT_ALLOW_PROTOCOL": "none",
    }
    if not user_config:
        env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return env


def as_variables(config: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Settings as git takes them from its environment, where no name needs quoting."""
    env: dict[str, str] = {}
    count = 0
    for key, value in config:
        env[f"GIT_CONFIG_KEY_{count}"] = key
        env[f"GIT_CONFIG_VALUE_{count}"] = value
        count += 1
    env["GIT_CONFIG_COUNT"] = str(count)
    return env


def suspicious(contents: Iterable[bytes]) -> bool:
    """True: these config files may name programs beyond those that are always overridden."""
    return any(section in text.lower() for text in contents for section in _SECTIONS)


def overrides(config: Iterable[str]) -> Settings:
    """What else to override. `config`: the records of `git config -z --list`."""
    found: dict[str, str] = {}
    for record in config:
        section, _, rest = record.partition("\n")[0].partition(".")
        name, dot, _ = rest.rpartition(".")
        if not dot:
            continue
        if section == "filter":
            for field in ("clean", "smudge", "process"):
                found[f"filter.{name}.{field}"] = ""
            found[f"filter.{name}.required"] = "false"
        elif section == "merge":
            found[f"merge.{name}.driver"] = _MERGE_DRIVER
        elif section == "hook":
            found[f"hook.{name}.enabled"] = "false"
    return tuple(found.items())


def config_files(common_dir: Path, git_dir: Path) -> tuple[Path, ...]:
    """Where a repository keeps its settings."""
    return (common_dir / "config", git_dir / "config.worktree")


def identity(author: Author) -> Mapping[str, str]:
    """The variables that make `author` author and committer."""
    return {
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.email,
        "GIT_COMMITTER_NAME": author.name,
        "GIT_COMMITTER_EMAIL": author.email,
    }
