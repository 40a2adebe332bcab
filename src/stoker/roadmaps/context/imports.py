"""What a file imports, and by which keys others import it.

A *key* names what an import may mean, such as `py:pkg.module`. A file *provides* keys and
*requires* some: for each import the candidates, the most exact first, of which the first that
anything provides is meant. Both follow from the file alone, so a graph of them can be kept up
file by file (`graph`). Python, JavaScript and TypeScript, Go, Rust and Java.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

Candidate = tuple[str, str]
"""A key, and what comes below that which provides it (for modules, crates and packages that
are named by a manifest)."""
Import = tuple[Candidate, ...]

_PYTHON: Final = re.compile(
    r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n#;]*)|import[ \t]+([^\n#;]+))",
    re.MULTILINE,
)
_JS: Final = re.compile(
    r"(?:^|[\s;}])(?:import|export)\s[^;'\"`()]*?from\s*['\"]([^'\"\n]+)['\"]"
    r"|(?:^|[\s;}])import\s*['\"]([^'\"\n]+)['\"]"
    r"|\b(?:require|import)\s*\(\s*['\"]([^'\"\n]+)['\"]\s*\)"
)
_GO: Final = re.compile(r"^import\s*(?:\(([^)]*)\)|([^\n]*))", re.MULTILINE)
_GO_PATH: Final = re.compile(r"[\"`]([^\"`\n]+)[\"`]")
_RUST: Final = re.compile(
    r"^[ \t]*(?:pub(?:\([^)]*\))?\s+)?(?:use\s+([^;]+);|mod\s+(\w+)\s*;)", re.MULTILINE
)
_JAVA: Final = re.compile(r"^[ \t]*import\s+(?:static\s+)?([\w.]+\*?)", re.MULTILINE)
_JAVA_PACKAGE: Final = re.compile(r"^[ \t]*package\s+([\w.]+)", re.MULTILINE)
_MANIFEST_NAME: Final = {
    "go.mod": re.compile(r"^module\s+(\S+)", re.MULTILINE),
    "cargo": re.compile(r"^\[package\][^\[]*?^name\s*=\s*\"([^\"]+)\"", re.MULTILINE),
}
_JS_SUFFIX: Final = re.compile(r"(?:\.d)?\.(?:[mc]?[jt]sx?)$")
_SCRIPTS: Final = frozenset(("javascript", "typescript", "tsx"))
_DEEP: Final = 6
"""Parts of a Rust path that are tried."""


def specs(language: str, text: str) -> tuple[str, ...]:
    """The imports as written, each once: what is kept of a file's text."""
    return tuple(dict.fromkeys(_specs(language, text)))


def named(language: str, text: str) -> str:
    """The package a Java file or the module a manifest says it is."""
    if language == "npm":
        try:
            return str(json.loads(text)["name"])
        except (ValueError, KeyError, TypeError):
            return ""
    pattern = _JAVA_PACKAGE if language in ("java", "kotlin") else _MANIFEST_NAME.get(language)
    found = pattern.search(text) if pattern else None
    return found[1].strip('"') if found else ""


def provides(path: str, language: str, name: str) -> tuple[str, ...]:
    """The keys by which `path` is imported. `name`: as `named` found it."""
    stem = path.rpartition(".")[0]
    folder = posixpath.dirname(path)
    if language == "python":
        parts = stem.removesuffix("/__init__").split("/")
        return tuple("py:" + ".".join(parts[start:]) for start in range(len(parts)))
    if language in _SCRIPTS:
        bare = _JS_SUFFIX.sub("", path)
        if posixpath.basename(bare) == "index":
            return (f"js:{bare}", f"js:{posixpath.dirname(bare)}")
        return (f"js:{bare}",)
    if language == "go":
        return () if path.endswith("_test.go") else (f"go:{folder}",)
    if language == "rust":
        return (f"rs:{_module(path)}",)
    if language in ("java", "kotlin"):
        return (f"java:{name}.{posixpath.basename(stem)}", f"java:{name}.*")
    if name:
        return (f"{language}:{name.replace('-', '_') if language == 'cargo' else name}",)
    return ()


def requires(path: str, language: str, spec: str) -> Import:
    """The candidates of one import."""
    if language == "python":
        return _python(path, spec)
    if language in _SCRIPTS:
        return _script(path, spec)
    if language == "go":
        parts = spec.split("/")
        return tuple(
            ("go.mod:" + "/".join(parts[:count]), "/".join(parts[count:]))
            for count in range(len(parts), 0, -1)
        )
    if language == "rust":
        return _rust(path, spec)
    outer = spec.rpartition(".")[0]
    return ((f"java:{spec}", ""), (f"java:{outer}", "")) if outer else ()


def _specs(language: str, text: str) -> Iterator[str]:
    if language == "python":
        for module, names, plain in _PYTHON.findall(text):
            if plain:
                yield from (name.split(" as ")[0].strip() for name in plain.split(","))
            else:
                for name in re.sub(r"#[^\n]*", "", names).split(","):
                    if word := name.split(" as ")[0].strip(" \t\n\\()"):
                        yield f"{module}:{'' if word == '*' else word}"
    elif language in _SCRIPTS:
        for found in _JS.findall(text):
            yield next(filter(None, found))
    elif language == "go":
        for block, single in _GO.findall(text):
            yield from _GO_PATH.findall(block or single)
    elif language == "rust":
        for use, module in _RUST.findall(text):
            plain = re.sub(r"//[^\n]*|\s+as\s+\w+|\s+", "", use)
            yield from _unfolded(plain) if plain else (f"mod {module}",)
    elif language in ("java", "kotlin"):
        yield from _JAVA.findall(text)


def _python(path: str, spec: str) -> Import:
    module, _, name = spec.partition(":")
    rest = module.lstrip(".")
    if not (dots := len(module) - len(rest)):
        return _absolute(module, name)
    if dots > path.count("/") + 1:
        return ()
    module = ".".join(filter(None, (*path.split("/")[:-dots], rest)))
    keys = filter(None, (f"{module}.{name}".strip(".") if name else "", module))
    # It means the module at exactly that place.
    return tuple((f"py:{key}", ".") for key in keys)


@lru_cache(maxsize=16384)
def _absolute(module: str, name: str) -> Import:
    # `import a.b.c` runs a.b as well, which may be all there is of it here.
    first = f"{module}.{name}" if name else module
    second = module if name else module.rpartition(".")[0]
    return tuple((f"py:{key}", "") for key in (first, second) if key)


def _script(path: str, spec: str) -> Import:
    bare = _JS_SUFFIX.sub("", spec)
    folder = posixpath.dirname(path)
    if spec.startswith("."):
        place = posixpath.normpath(posixpath.join(folder, bare))
        return ((f"js:{'' if place == '.' else place}", ""),)
    if spec.startswith(("@/", "~/")):
        rest = bare[2:]
        before, found, _ = f"/{path}".rpartition("/src/")
        own = f"{before}/src/{rest}".lstrip("/") if found else rest
        return ((f"js:{own}", ""), (f"js:src/{rest}", ""), (f"js:{rest}", ""))
    parts = spec.split("/")
    count = 2 if spec.startswith("@") else 1
    return (("npm:" + "/".join(parts[:count]), "/".join(parts[count:])),)


def _module(path: str) -> str:
    """Where a Rust file's module is: `src/a/b` for `src/a/b.rs` and for `src/a/b/mod.rs`."""
    stem = path.removesuffix(".rs")
    folder, _, name = stem.rpartition("/")
    return folder if name in ("mod", "lib", "main") else stem


def _rust(path: str, spec: str) -> Import:
    own = _module(path)
    if spec.startswith("mod "):
        return ((f"rs:{own}/{spec[4:]}".replace("rs:/", "rs:"), ""),)
    first, *rest = spec.split("::")[:_DEEP]
    if first in ("crate", "self", "super"):
        base = own
        if first == "crate":
            before, found, _ = f"/{path}".rpartition("/src/")
            base = f"{before}/src".lstrip("/") if found else posixpath.dirname(path)
        else:
            while first == "super":
                base = posixpath.dirname(base)
                first, rest = (rest[0], rest[1:]) if rest and rest[0] == "super" else ("", rest)
        return tuple(("rs:" + "/".join(filter(None, (base, *rest[:n]))), "") for n in _down(rest))
    local = tuple(
        ("rs:" + "/".join(filter(None, (own, first, *rest[:n]))), "") for n in _down(rest)
    )
    return ((f"cargo:{first}", "/".join(rest)), *local)


def _down(parts: list[str]) -> range:
    return range(len(parts), -1, -1)


def _unfolded(use: str) -> Iterator[str]:
    """`a::{b,c::{d,e}}` -> a::b, a::c::d, a::c::e; a `*` at the end is left out."""
    head, brace, body = use.partition("{")
    if not brace:
        yield use.removesuffix("::*").removesuffix("::self")
        return
    depth, start = 0, 0
    body = body.rpartition("}")[0] + ","
    for place, char in enumerate(body):
        depth += (char == "{") - (char == "}")
        if char == "," and not depth:
            if inner := body[start:place]:
                yield from _unfolded(head + inner)
            start = place + 1
