"""A script of a project as one text: what it imports from the project's own files stands in it, and
imports of forge-std and of npm packages remain."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct

from stoker.chains.errors import CompileFailed
from stoker.chains.solidity import forge_std
from stoker.chains.solidity.compilation import Diagnostic
from stoker.chains.solidity.tokens import Token, content, tokens

_LICENCE: Final = re.compile(r"^[^\S\n]*//[^\S\n]*SPDX-License-Identifier:.*\n?", re.MULTILINE)
_MARKS: Final = ("foundry.toml", "remappings.txt", "hardhat.config.ts", "node_modules", ".git")


def flatten(file: Path) -> str:
    """The text of `file` and of all that it needs of its project: the nearest directory above with
    a `foundry.toml` or the like, else its own. Remappings count as in forge. If it needs nothing
    of it, the text is what it is.

    Raises `CompileFailed` for files that are not there or not of the project, and for imports of
    the project's files by other names, which one text cannot have; `OSError` for `file` itself.
    """
    file = file.resolve(strict=True)
    root = next((one for one in file.parents if _is_root(one)), file.parent)
    flat = _Flat(root)
    flat.add(file)
    if len(flat.texts) == 1:
        return file.read_text(encoding="utf-8")  # Its lines are where whoever wrote it knows them.
    kept = "".join(f"{one}\n" for one in flat.kept)
    return f"// SPDX-License-Identifier: UNLICENSED\n{kept}\n" + "\n\n".join(flat.texts) + "\n"


def _is_root(directory: Path) -> bool:
    return any((directory / mark).exists() for mark in _MARKS)


class _Statement(Struct, frozen=True):
    """An `import` or a `pragma`."""

    words: list[str]
    path: Token | None
    start: int
    end: int


class _Flat:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.kept: dict[str, None] = {}
        """Statements of all files, each once."""
        self.texts: list[str] = []
        self._seen: set[Path] = set()

    def add(self, file: Path) -> None:
        """What it imports first."""
        todo = [(file, iter(self._imported(file)))]
        self._seen.add(file)
        while todo:
            here, left = todo[-1]
            following = next(left, None)
            if following is None:
                todo.pop()
                self.texts.append(self._body(here))
            elif following not in self._seen:
                self._seen.add(following)
                todo.append((following, iter(self._imported(following))))

    def _imported(self, file: Path) -> Iterator[Path]:
        text = file.read_text(encoding="utf-8")
        for one in _statements(text):
            if one.path is None or (found := self._local(content(one.path.text), file)) is None:
                continue
            if "as" in one.words or "*" in one.words:
                raise self._failed(
                    file, one.start, "files of the project keep their names: no `as`"
                )
            target = found.resolve()
            if not target.is_relative_to(self.root):
                raise self._failed(file, one.path.start, f"{found} is not in {self.root}")
            if not target.is_file():
                raise self._failed(file, one.path.start, f"there is no file {found}")
            yield target

    def _body(self, file: Path) -> str:
        """Without what stands at the beginning of all, or of none."""
        text = file.read_text(encoding="utf-8")
        parts: list[str] = []
        last = 0
        for one in _statements(text):
            parts.append(text[last : one.start])
            last = one.end
            if one.path is None or self._local(content(one.path.text), file) is None:
                self.kept[" ".join(text[one.start : one.end].split())] = None
        return _LICENCE.sub("", "".join((*parts, text[last:]))).strip()

    def _local(self, path: str, file: Path) -> Path | None:
        """None: it is forge-std's, or some package's."""
        if path.startswith(("./", "../")):
            return file.parent / path
        if path.startswith(forge_std.PREFIX):
            return None
        for prefix in sorted(self._remappings, key=len, reverse=True):
            if path.startswith(prefix):
                return self.root / (self._remappings[prefix] + path.removeprefix(prefix))
        package, _, rest = path.partition("/")
        library = self.root / "lib" / package
        for found in (self.root / path, library / "src" / rest, library / rest):
            if found.is_file():
                return found
        return None

    @cached_property
    def _remappings(self) -> Mapping[str, str]:
        lines: list[str] = []
        with suppress(FileNotFoundError):
            lines += (self.root / "remappings.txt").read_text(encoding="utf-8").splitlines()
        try:
            told = tomllib.loads((self.root / "foundry.toml").read_text(encoding="utf-8"))
            lines += told.get("profile", {}).get("default", {}).get("remappings", [])
        except FileNotFoundError:
            pass
        except (tomllib.TOMLDecodeError, AttributeError, TypeError) as error:
            message = f"{self.root / 'foundry.toml'}: {error}"
            raise CompileFailed([Diagnostic(message=message)]) from error
        pairs = (line.strip().partition("=") for line in lines if "=" in line)
        return {prefix.rpartition(":")[2]: target for prefix, _, target in pairs}

    def _failed(self, file: Path, at: int, message: str) -> CompileFailed:
        name, text = str(file.relative_to(self.root)), file.read_text(encoding="utf-8")
        return CompileFailed([Diagnostic.at(at, message, file=name, text=text)])


def _statements(text: str) -> Iterator[_Statement]:
    """Those outside of all contracts."""
    found: list[Token] = []
    depth = 0
    for one in tokens(text):
        if found or (depth == 0 and one.text in {"import", "pragma"}):
            found.append(one)
            if one.text == ";":
                path = next((part for part in found if part.kind == "text"), None)
                words = [part.text for part in found if part.kind != "text"]
                is_import = words[0] == "import"
                yield _Statement(words, path if is_import else None, found[0].start, one.end)
                found = []
        else:
            depth += (one.text == "{") - (one.text == "}")
