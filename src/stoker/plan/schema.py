"""The published JSON Schema of plans, generated from the model and the kinds of step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from stoker.plan.model import Plan
from stoker.plan.step_rules import Kinds

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID = "urn:stoker:plan"
_REFERENCE = "#/$defs/{name}"
_TEMPLATE = {"type": "string", "pattern": r"\$\{\{", "description": "A template."}


def schema(kinds: Kinds) -> dict[str, Any]:
    """The schema (draft 2020-12) of a plan whose steps are of these kinds. It says what types
    and names are right; what it cannot say (cycles, unknown steps, ...) `validate` finds."""
    models: dict[str, Any] = {name: kinds[name].definition for name in sorted(kinds)}
    _, definitions = msgspec.json.schema_components([Plan], ref_template=_REFERENCE)
    _describe(definitions, Plan)
    definitions["Plan"]["required"] = ["plan_id", "steps"]
    definitions["Plan"]["properties"]["steps"]["minItems"] = 1
    step = definitions["Step"]["properties"]["step_def"]
    step["anyOf"] = [{"$ref": f"#/$defs/step_def.{name}"} for name in models] + [{"type": "null"}]
    step.pop("type", None)
    for name, model in models.items():
        own, inner = _definition(name, model)
        definitions[f"step_def.{name}"] = own
        definitions |= inner
    return {
        "$schema": DIALECT,
        "$id": ID,
        "title": "Stoker plan",
        "$ref": "#/$defs/Plan",
        "$defs": definitions,
    }


def _definition(kind: str, model: type[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of a kind's `step_def`, and of the models it refers to."""
    # Names are prefixed with the kind's: two kinds may well use one name for two models.
    template = f"#/$defs/step_def.{kind}.{{name}}"
    (_,), inner = msgspec.json.schema_components([model], ref_template=template)
    _describe(inner, model)
    named = {f"step_def.{kind}.{name}": _templated(part) for name, part in inner.items()}
    own = named.pop(f"step_def.{kind}.{model.__name__}")
    own["title"] = kind
    own["properties"] = {"type": {"const": kind}} | own.get("properties", {})
    own["required"] = ["type", *own.get("required", ())]
    return own, named


def _templated(definition: dict[str, Any]) -> dict[str, Any]:
    """A template may stand wherever a kind wants a value of another type than text."""
    properties = definition.get("properties", {})
    return definition | {
        "properties": {
            name: part if part.get("type") == "string" else _or_template(part)
            for name, part in properties.items()
        }
    }


def _or_template(part: dict[str, Any]) -> dict[str, Any]:
    outer = {key: part[key] for key in ("description", "default") if key in part}
    inner = {key: value for key, value in part.items() if key not in outer}
    if not inner:
        return part
    for key in ("items", "additionalProperties"):
        if isinstance(inner.get(key), dict):
            inner[key] = (
                _or_template(inner[key]) if inner[key] != {"type": "string"} else inner[key]
            )
    return outer | {"anyOf": [inner, _TEMPLATE]}


def _describe(definitions: dict[str, Any], model: type[Any]) -> None:
    """Take over the docstrings that stand beneath the fields of `model` and of the models it
    uses; msgspec itself takes those of classes."""
    for cls in _models(model):
        definition = definitions.get(cls.__name__, {})
        docs = _field_docs(cls)
        for field in msgspec.structs.fields(cls):
            if field.name in docs and field.encode_name in definition.get("properties", {}):
                definition["properties"][field.encode_name]["description"] = docs[field.name]


def _models(model: type[Any]) -> list[type[Any]]:
    found: dict[type[Any], None] = {}
    pending: list[Any] = [msgspec.inspect.type_info(model)]
    while pending:
        info = pending.pop()
        if isinstance(info, msgspec.inspect.StructType) and info.cls not in found:
            found[info.cls] = None
            pending += (field.type for field in info.fields)
        elif isinstance(info, msgspec.inspect.UnionType):
            pending += info.types
        elif isinstance(info, msgspec.inspect.DictType):
            pending.append(info.value_type)
        else:
            pending += filter(None, [getattr(info, "item_type", None)])
    return list(found)


def _field_docs(cls: type[Any]) -> Mapping[str, str]:
    import ast
    import inspect
    import textwrap

    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):  # made at run time, or shipped without source
        return {}
    body = ast.parse(source).body[0]
    docs: dict[str, str] = {}
    field = None
    for node in body.body if isinstance(body, ast.ClassDef) else ():
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            field = node.target.id
            continue
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))) if field is not None:
                docs[field] = " ".join(text.split())
        field = None
    return docs
