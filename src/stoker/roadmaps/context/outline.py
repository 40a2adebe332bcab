"""Definitions of a file with their extent and nesting, by tree-sitter where it is installed.

Only files that are shown are parsed, at some 10 MB a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from stoker.roadmaps.context.symbols import Symbol, symbols

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_MODULES: Final = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "java": ("tree_sitter_java", "language"),
}
_DEFINING: Final = (
    # Python
    "function_definition class_definition type_alias_statement "
    # JavaScript, TypeScript
    "function_declaration generator_function_declaration class_declaration method_definition "
    "abstract_class_declaration interface_declaration type_alias_declaration enum_declaration "
    "abstract_method_signature method_signature function_signature variable_declarator "
    # Go
    "method_declaration type_spec const_spec var_spec "
    # Rust
    "function_item function_signature_item struct_item enum_item trait_item type_item mod_item "
    "const_item static_item impl_item macro_definition union_item "
    # Java
    "record_declaration constructor_declaration annotation_type_declaration"
)
_DEFINES: Final = frozenset(_DEFINING.split())
_CONTAINING: Final = (
    "decorated_definition block class_body declaration_list export_statement interface_body "
    "lexical_declaration variable_declaration type_declaration const_declaration var_declaration "
    "enum_body enum_body_declarations ambient_declaration internal_module statement_block "
    "expression_statement if_statement try_statement else_clause except_clause program "
    "source_file module const_spec_list var_spec_list object_type"
)
_CONTAINS: Final = frozenset(_CONTAINING.split())
"""What may hold definitions without being one."""
_WITH_BODIES: Final = (
    "class_definition class_declaration abstract_class_declaration interface_declaration "
    "impl_item trait_item mod_item record_declaration enum_declaration"
)
_BODIES: Final = frozenset(_WITH_BODIES.split())
_DEPTH: Final = 6
_LINE: Final = 160
_MAX: Final = 256 * 1024


def outline(language: str, text: str) -> tuple[Symbol, ...]:
    """What `text` defines, in its order, without what stands within functions."""
    parser = _parser(language) if len(text) <= _MAX else None
    if parser is None:
        return quick_outline(language, text)
    lines = text.split("\n")
    tree = parser.parse(text.encode("utf-8", "surrogatepass"))
    found = _definitions(tree.root_node, lines, 0, 0)
    return tuple(sorted(found, key=lambda symbol: (symbol.line, -symbol.end)))


@lru_cache
def _parser(language: str) -> Parser | None:
    if language not in _MODULES:
        return None
    try:
        from tree_sitter import Language, Parser

        module, function = _MODULES[language]
        return Parser(Language(getattr(import_module(module), function)()))
    except ImportError:
        return None


def quick_outline(language: str, text: str) -> tuple[Symbol, ...]:
    """The same by patterns: five times as fast, and less exact. Each definition ends before the
    next that is not indented more than it."""
    lines = text.split("\n")
    found = symbols(language, text)
    indents = [_indent(lines[symbol.line - 1]) for symbol in found]
    placed = []
    for number, symbol in enumerate(found):
        after = (
            other.line
            for other, indent in zip(found[number + 1 :], indents[number + 1 :], strict=True)
            if indent <= indents[number]
        )
        end = next(after, len(lines) + 1) - 1
        while end > symbol.line and not lines[end - 1].strip():
            end -= 1
        depth = min(indents[number], 1)
        placed.append(Symbol(symbol.name, symbol.line, end, _shown(lines[symbol.line - 1]), depth))
    return tuple(placed)


def _definitions(node: Node, lines: list[str], depth: int, level: int) -> Iterator[Symbol]:
    if level > _DEPTH:
        return
    for child in node.named_children:
        kind = child.type
        if kind in _DEFINES:
            line = child.start_point[0] + 1
            name = _name(child)
            if name:
                end = child.end_point[0] + 1
                yield Symbol(name, line, end, _shown(lines[line - 1]), depth)
            if kind in _BODIES:
                body = child.child_by_field_name("body")
                if body is not None:
                    yield from _definitions(body, lines, depth + 1, level + 1)
        elif kind == "assignment" and depth == 0:
            left = child.child_by_field_name("left")
            if left is not None and left.type == "identifier" and left.text:
                line = child.start_point[0] + 1
                name = left.text.decode()
                yield Symbol(name, line, child.end_point[0] + 1, _shown(lines[line - 1]), depth)
        elif kind in _CONTAINS:
            yield from _definitions(child, lines, depth, level + 1)


def _name(node: Node) -> str:
    named = node.child_by_field_name("name") or node.child_by_field_name("type")
    return named.text.decode("utf-8", "replace") if named is not None and named.text else ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _shown(line: str) -> str:
    text = line.rstrip().expandtabs(4)
    return text if len(text) <= _LINE else text[: _LINE - 4] + " ..."
