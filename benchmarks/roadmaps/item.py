"""A task of the benchmark: what is asked, what would be right, and how the truth is told.

An item's module has two parts, each a stub that is there from the beginning and the code that
is right, so that half an edit is a real one. The visible tests are in the repository; the
hidden ones never are, nor are they told to any agent or to the executor.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Language = Literal["python", "javascript"]


class Part(Struct, frozen=True):
    """One function or class: before and after."""

    stub: str
    code: str


class Item(Struct, frozen=True, kw_only=True):
    """One task."""

    name: str
    """Of its module: `workshop/NAME.py` or `js/src/NAME.js`."""
    level: Literal[1, 2, 3, 4, 5]
    """1: a function. 2: with edge cases. 3: with a second module. 4: existing code changes
    its shape. 5: something with state, over several modules."""
    language: Language
    title: str
    text: str
    parts: tuple[Part, Part]
    header: str = ""
    """Imports and the like, of the code that is right."""
    visible: str
    hidden: str
    also: dict[str, tuple[str, str]] = {}
    """Further modules by name: before (empty: not there), after."""

    @property
    def path(self) -> str:
        return self.path_of(self.name)

    def path_of(self, name: str) -> str:
        """Where the module of that name is."""
        return f"workshop/{name}.py" if self.language == "python" else f"js/src/{name}.js"

    @property
    def test_path(self) -> str:
        """Of the visible tests."""
        if self.language == "python":
            return f"tests/test_{self.name}.py"
        return f"js/test/{self.name}.test.js"

    @property
    def before(self) -> dict[str, str]:
        """Path -> text in the repository that the work begins from."""
        return {
            self.path: self._module(first=False, second=False),
            self.test_path: self.visible,
            **{self.path_of(name): old for name, (old, _) in self.also.items() if old},
        }

    @property
    def solution(self) -> dict[str, str]:
        """Path -> text of the files that are right."""
        return {
            self.path: self._module(first=True, second=True),
            **{self.path_of(name): new for name, (_, new) in self.also.items()},
        }

    @property
    def half(self) -> dict[str, str]:
        """The work broken off in the middle."""
        return self.solution | {self.path: self._module(first=True, second=False)}

    def _module(self, *, first: bool, second: bool) -> str:
        one, two = self.parts
        header = self.header if first or second else ""
        texts = (header, one.code if first else one.stub, two.code if second else two.stub)
        return "\n\n".join(text.strip("\n") for text in texts if text) + "\n"
