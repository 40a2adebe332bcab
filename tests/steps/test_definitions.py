"""Definitions of every kind, well typed and senseless: each is taken or refused in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from stoker.engine.profile import profile
from stoker.plan.errors import PlanError
from stoker.plan.loader import loads
from stoker.steps.registry import BUILT_IN, kinds

TEXTS = st.sampled_from(
    [
        *("", "a", "é", "\u202e", "a b", "\n", "-", "~", "$", "$$", "'", "{", "[", "[1", "*"),
        *("1", "1e9", "0777", "true", "/", "..", "a/b", "x.ps1", "os:path", "sha256"),
        *("http://[", "http://h:x/", "http://h", "2xx", "/(/", "json.a", "main"),
        *("${{", "${{ run.id }}", "item", "${X}", "refs/heads/x"),
    ]
)
NUMBERS = st.sampled_from([0, 1, -1, 5, 2**40])


def values(wanted: inspect.Type, depth: int = 0) -> st.SearchStrategy[Any]:
    """What a field of this type can hold."""
    match wanted:
        case inspect.UnionType(types=types):
            return st.one_of(*(values(one, depth) for one in types))
        case inspect.LiteralType(values=allowed):
            return st.sampled_from(allowed)
        case inspect.StrType():
            return TEXTS
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.IntType():
            return NUMBERS
        case inspect.FloatType():
            return NUMBERS | st.sampled_from([0.5, -0.5, 1e300])
        case inspect.DictType(value_type=inner):
            return st.dictionaries(TEXTS, values(inner, depth + 1), max_size=2)
        case inspect.VarTupleType(item_type=inner) | inspect.ListType(item_type=inner):
            return st.lists(values(inner, depth + 1), max_size=2)
        case inspect.StructType(fields=fields) if depth < 4:
            given = {field.encode_name: values(field.type, depth + 1) for field in fields}
            needed = {field.encode_name for field in fields if field.required}
            return st.fixed_dictionaries(
                {name: of for name, of in given.items() if name in needed},
                optional={name: of for name, of in given.items() if name not in needed},
            )
    return TEXTS | NUMBERS | st.none()


@pytest.mark.parametrize("name", BUILT_IN)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_definition_is_taken_or_refused_in_words(name: str, data: st.DataObject) -> None:
    known = kinds()
    definition = data.draw(values(inspect.type_info(known[name].definition)))
    step = {"id": "a", "step_def": {**definition, "type": name}}
    try:
        text = json.dumps({"plan_id": "p", "steps": [step]})
        plan = loads(text, name="p.json", kinds=known, variables={"X": "x"}).plan
    except PlanError as error:
        assert " broke: " not in str(error)
    else:
        assert profile(plan, plan.steps[0], known).kind is known[name]
