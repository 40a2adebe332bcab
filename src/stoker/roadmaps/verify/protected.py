"""What verification itself rests on: tests, and the configuration of what runs them.

The tree that is verified has them as they were at the base. Those that are only added stay;
but not configuration that would hold for tests that were there before.
"""

from __future__ import annotations

import configparser
import io
import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, Final

from stoker.roadmaps.verify.checkout import Checkout, Entry, Tree
from stoker.workspace.model import FileDiff

_TEST_FOLDERS: Final = frozenset(("tests", "test", "__tests__", "__snapshots__", "e2e", "cypress"))
_TEST_NAMES: Final = re.compile(
    r"test_.*\.py|.*_test\.(py|go|rs|rb|exs?|dart)|tests?\.(py|rs)|.*[._](test|spec)\.[cm]?[jt]sx?"
    r"|.*(Test|Tests|IT|Spec)\.(java|kt|kts|scala|groovy|cs|fs|swift)|.*_spec\.rb"
)
_CONFIG_NAMES: Final = re.compile(
    r"conftest\.py|\.?pytest\.(ini|toml)|tox\.(ini|toml)|noxfile\.py|\.coveragerc"
    r"|(jest|vitest|playwright|cypress|ava|karma|wtr|web-test-runner)\.(config|conf|workspace)\..*"
    r"|\.mocharc\..*|\.?justfile|GNUmakefile|[Mm]akefile|[Tt]askfile\.ya?ml|\.?mise\.toml"
    r"|AGENTS\.md|CLAUDE\.md|GEMINI\.md|\.gitlab-ci\.yml|azure-pipelines\.yml|Jenkinsfile",
    re.IGNORECASE,
)
_CONFIG_PLACES: Final = (".github/workflows/*", ".circleci/*", ".mise/*", ".config/nextest.toml")
_HOOKS: Final = re.compile(r"(site|user)customize\.py|.*\.pth")
"""What Python runs before anything else."""
_RUNNERS: Final = re.compile(
    r"(?:src/)?(pytest|_pytest|pluggy|iniconfig|unittest|xdist)(?:\.py|/.*)"
)
"""Modules that are found in place of what runs the tests."""
_SECTIONS: Final = ("pyproject.toml", "setup.cfg", "package.json")
"""Files of which only a part configures tests."""
_NO_TEST: Final = "no test specified"
_JS_KEYS: Final = ("jest", "vitest", "mocha", "ava", "nyc", "c8")


def is_test(path: str) -> bool:
    """Tests, and whatever lies with them."""
    *folders, name = path.split("/")  # asked of every file: a path object takes ten times as long
    if not _TEST_FOLDERS.isdisjoint(folders):
        return not is_config(path)
    return _TEST_NAMES.fullmatch(name) is not None


def is_config(path: str) -> bool:
    """Configuration of what runs tests, and nothing else in it."""
    name = PurePosixPath(path).name
    return (
        _CONFIG_NAMES.fullmatch(name) is not None
        or is_hook(path)
        or any(fnmatchcase(path, place) for place in _CONFIG_PLACES)
    )


def is_hook(path: str) -> bool:
    """What is run before anything that is tested."""
    return _HOOKS.fullmatch(PurePosixPath(path).name) is not None


def is_disguise(path: str, base: Iterable[str]) -> bool:
    """A module of a runner's name, where there was none at the base."""
    found = _RUNNERS.fullmatch(path)
    return found is not None and not any(
        (other := _RUNNERS.fullmatch(one)) is not None and other[1] == found[1] for one in base
    )


def has_section(path: str) -> bool:
    """Of which a part is such configuration."""
    return PurePosixPath(path).name in _SECTIONS


def matches(path: str, patterns: Iterable[str]) -> bool:
    """A directory stands for all in it; a file of just this name, as `[id].tsx`, is meant, too."""
    return any(
        fnmatchcase(path, pattern)
        or fnmatchcase(path, pattern.rstrip("/") + "/*")
        or f"{path}/".startswith(pattern.rstrip("/") + "/")
        for pattern in patterns
    )


async def restored(
    checkout: Checkout, base: Tree, work: Tree, diff: Iterable[FileDiff], waived: Iterable[str]
) -> tuple[Tree, tuple[str, ...]]:
    """`work` with what is protected as in `base`, and the paths that the task has changed of it,
    restored or not worth it (comments, say)."""
    tests = [path for path in base.entries if is_test(path)]
    changes: dict[str, Entry | None] = {}
    touched: list[str] = []
    for one in diff:
        old, new = one.old_path, one.new_path
        if matches(old or new or "", waived):
            continue
        if old is not None and (is_test(old) or is_config(old)):
            changes[old] = base.entries[old]
            touched.append(old)
            if new is not None and new != old and one.change == "renamed":
                changes[new] = None  # there would be two of it
        if new is not None and is_disguise(new, base.entries):
            changes[new] = None
            touched.append(new)
        elif new is not None and new not in base.entries and is_config(new):
            if is_hook(new) or _governs(new, tests):
                changes[new] = None
                touched.append(new)
        elif new is not None and has_section(new) and _governs(new, tests):
            before = await checkout.read(base, (new,))
            now = await checkout.read(work, (new,))
            data = section_restored(new, before.get(new), now.get(new, b""))
            if data is not None:
                changes[new] = await checkout.entry(data, work.entries[new].mode)
                touched.append(new)
    return await checkout.edited(work, changes), tuple(dict.fromkeys(touched))


def _governs(config: str, tests: Iterable[str]) -> bool:
    folder = str(PurePosixPath(config).parent)
    return (folder == "." and any(tests)) or any(test.startswith(f"{folder}/") for test in tests)


def section_restored(path: str, before: bytes | None, now: bytes) -> bytes | None:
    """`now` with the part that configures tests as `before`; None: it is no other."""
    name = PurePosixPath(path).name
    part = {"pyproject.toml": _toml, "setup.cfg": _cfg, "package.json": _json}[name]
    try:
        return part(before, now)
    except Exception:  # whatever was written there: a file that nobody can read configures nothing
        return before or b""


def _toml(before: bytes | None, now: bytes) -> bytes | None:
    import tomlkit

    old, new = tomlkit.parse(before or b""), tomlkit.parse(now)
    changed = False
    for key in ("pytest", "tox", "nox", "coverage", "poe", "hatch"):
        was, is_ = old.unwrap().get("tool", {}).get(key), new.unwrap().get("tool", {}).get(key)
        if was == is_ or (was is None and key not in ("pytest", "coverage")):
            continue
        changed = True
        if was is None:
            del new["tool"][key]
        else:
            new.setdefault("tool", {})[key] = was
    return tomlkit.dumps(new).encode() if changed else None


def _cfg(before: bytes | None, now: bytes) -> bytes | None:
    old, new = (configparser.RawConfigParser(strict=False) for _ in range(2))
    old.read_string((before or b"").decode())
    new.read_string(now.decode())
    changed = False
    for section in ("tool:pytest", "tox:tox", "coverage:run", "coverage:report"):
        was = dict(old[section]) if section in old else None
        if was == (dict(new[section]) if section in new else None):
            continue
        changed = True
        new.remove_section(section)
        if was is not None:
            new[section] = was
    text = io.StringIO()
    new.write(text)
    return text.getvalue().encode() if changed else None


def _json(before: bytes | None, now: bytes) -> bytes | None:
    old, new = json.loads(before or b"{}"), json.loads(now)
    was, is_ = _configured(old), _configured(new)
    if was == is_ or not was:
        return None
    for key in _JS_KEYS:
        new.pop(key, None)
    scripts = {k: v for k, v in new.get("scripts", {}).items() if not _tests(k, v)}
    new |= {key: value for key, value in was.items() if key != "scripts"}
    new["scripts"] = scripts | was["scripts"]
    return json.dumps(new, indent=2).encode()


def _configured(package: Mapping[str, Any]) -> dict[str, Any]:
    scripts = package.get("scripts", {})
    tests = {key: value for key, value in scripts.items() if _tests(key, value)}
    found = {key: package[key] for key in _JS_KEYS if key in package}
    return found | {"scripts": tests} if tests else {}


def _tests(name: str, script: str) -> bool:
    return re.fullmatch(r"(pre|post)?tests?([:-].*)?", name) is not None and _NO_TEST not in script
