"""From the text of an expression to its tree.

The language is a subset of CEL that takes Python's spellings too.
"""

from __future__ import annotations

from collections.abc import Iterator

from stoker.plan.lexer import ExpressionError, Token, tokenize
from stoker.plan.syntax import (
    BINDING,
    CHOICE,
    COMPARE,
    MAX_DEPTH,
    MAX_NODES,
    NOT,
    UNARY,
    Choice,
    Compare,
    Items,
    Literal,
    Logic,
    Lookup,
    Name,
    Node,
    Not,
    unparse,
    walk,
)


def parse(text: str) -> Node:
    """The tree of an expression. Raises `ExpressionError`."""
    parser = _Parser(tokenize(text))
    tree = parser.expression(0)
    if parser.token.kind != "end":
        raise parser.unexpected("an operator or the end")
    if (count := sum(1 for _ in walk(tree))) > MAX_NODES:
        raise ExpressionError(
            f"the expression has {count} values and operators, at most {MAX_NODES} are allowed", 1
        )
    return tree


class _Parser:
    """Precedence climbing over a list of tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = iter(tokens)
        self.token = next(self._tokens)
        self._depth = 0

    def expression(self, least: int) -> Node:
        """An expression whose operators bind at least as tightly as `least`."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(
                f"the expression is nested more than {MAX_DEPTH} deep", self.token.column
            )
        node = self._prefix(least)
        while (
            self.token.kind == "operator"
            and (binding := BINDING.get(self.token.value, -1)) >= least
        ):
            node = self._infix(node, self.token.value, binding)
        self._depth -= 1
        return node

    def unexpected(self, expected: str) -> ExpressionError:
        hint = ""
        if self.token.source == "(":
            hint = "; expressions have no calls"
        elif self.token.source == "not":
            hint = "; put 'not ...' in parentheses"
        return ExpressionError(f"expected {expected}, found {self.token}{hint}", self.token.column)

    def _advance(self) -> Token:
        token, self.token = self.token, next(self._tokens, self.token)
        return token

    def _accept(self, operator: str) -> bool:
        if self.token.kind == "operator" and self.token.value == operator:
            self._advance()
            return True
        return False

    def _expect(self, operator: str, expected: str) -> None:
        if not self._accept(operator):
            raise self.unexpected(expected)

    def _infix(self, left: Node, operator: str, binding: int) -> Node:
        if operator in ("&&", "||"):
            operands = [left]
            while self._accept(operator):
                operands.append(self.expression(binding + 1))
            return Logic(operator, tuple(operands))
        self._advance()
        if operator == "?":
            then = self.expression(CHOICE)
            self._expect(":", "':' of 'condition ? a : b'")
            return Choice(left, then, self.expression(CHOICE))
        if negated := operator == "not":
            self._expect("in", "'in' after 'not'")
            operator = "in"
        node: Node = Compare(operator, left, self.expression(UNARY))
        if self.token.kind == "operator" and BINDING.get(self.token.value) == COMPARE:
            raise ExpressionError(
                f"comparisons do not chain, found {self.token}: join them with 'and'",
                self.token.column,
            )
        return Not(node) if negated else node

    def _prefix(self, least: int) -> Node:
        if self._accept("!"):
            return Not(self.expression(UNARY))
        if least <= NOT and self._accept("not"):
            return Not(self.expression(NOT))
        return self._primary()

    def _primary(self) -> Node:
        column = self.token.column
        node: Node
        if self.token.kind == "literal":
            node = Literal(self._advance().value)
        elif self.token.kind == "name":
            node = Name(self._advance().value)
        elif self._accept("("):
            node = self.expression(0)
            self._expect(")", "an operator or ')'")
        elif self._accept("["):
            node = Items(self._items())
        else:
            raise self.unexpected("a value")
        keys = tuple(self._keys())
        if not keys:
            return node
        if isinstance(node, Literal):
            raise ExpressionError(f"nothing can be looked up in {unparse(node)}", column)
        if isinstance(node, Lookup):
            return Lookup(node.base, node.keys + keys)
        return Lookup(node, keys)

    def _items(self) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._accept("]"):
            items.append(self.expression(0))
            if not self._accept(","):
                self._expect("]", "',' or ']' of the list")
                break
        return tuple(items)

    def _keys(self) -> Iterator[Node]:
        while True:
            if self.token.kind == "member":
                yield Literal(self._advance().value)
            elif self._accept("["):
                yield self.expression(0)
                self._expect("]", "an operator or ']'")
            else:
                return
