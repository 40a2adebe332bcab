"""What `foreach` and `matrix` steps become."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stoker.plan.expand import MAX_CHILDREN, ExpansionError, axes, expand
from stoker.plan.expression import EvaluationError, ExpressionError, compile_expression
from stoker.plan.model import Approval, Step
from stoker.plan.template import compile_template


def foreach(**fields: Any) -> Step:
    return Step(id="build", foreach=(), **fields)


@pytest.mark.parametrize(
    ("items", "ids"),
    [
        (["linux", "mac os"], ["build[linux]", "build[mac os]"]),
        ([1, 2.5, True, None], ["build[1]", "build[2.5]", "build[true]", "build[null]"]),
        ([], []),
        (["a", "a"], ["build[0]", "build[1]"]),
        ([1, "1"], ["build[0]", "build[1]"]),
        (["a", "docs/x.md"], ["build[0]", "build[1]"]),
        (["a", "b\n"], ["build[0]", "build[1]"]),
        (["a", ""], ["build[0]", "build[1]"]),
        (["1", {"x": 1}], ["build[0]", "build[1]"]),
        (["a", "x" * 81], ["build[0]", "build[1]"]),
    ],
)
def test_ids_of_a_foreach(items: list[Any], ids: list[str]) -> None:
    assert [child.id for child in expand(foreach(run="x"), items)] == ids


def test_ids_of_a_matrix() -> None:
    step = Step(id="test", run="x", matrix={"py": [3.11, 3.12], "os": ["linux"]})
    assert [child.id for child in expand(step, axes(step.matrix))] == [
        "test[py=3.11,os=linux]",
        "test[py=3.12,os=linux]",
    ]
    maps = Step(id="test", run="x", matrix={"os": [{"name": "a"}, {"name": "a"}]})
    assert [child.id for child in expand(maps, axes(maps.matrix))] == ["test[0]", "test[1]"]


def test_a_child_is_the_step_without_its_loop_and_what_it_provides() -> None:
    step = foreach(
        run="make",
        depends_on=("a",),
        consumes=("db",),
        provides=("image",),
        retries=2,
        on_failure="continue",
    )
    (child,) = expand(step, ["x"])
    assert child == Step(
        id="build[x]",
        run="make",
        depends_on=("a",),
        consumes=("db",),
        retries=2,
        on_failure="continue",
    )


def test_every_text_of_the_step_is_bound() -> None:
    text = "${{ item.os }}-${{ index }}"
    step = foreach(
        name=text,
        description=text,
        command=text,
        args=(text, 1, None),
        run=text,
        cwd=text,
        env={"A": text, "B": True},
        stdin=text,
        locks=(text,),
        resources={"gpu": "${{ item.n }}"},
        inputs_files=(text,),
        outputs_files=(text,),
        tool=text,
        tags=(text,),
        step_def={"type": "http", "n": "${{ item.n }}", "deep": [{"x": text}], "item": "${{item}}"},
        condition="item.os == 'linux'",
        skip_if=("item.n > 3", "index == 1"),
        approval=Approval(prompt=text),
    )
    item = {"os": "linux", "n": 2}
    (child,) = expand(step, [item])
    assert child == Step(
        id="build[0]",
        name="linux-0",
        description="linux-0",
        command="linux-0",
        args=("linux-0", 1, None),
        run="linux-0",
        cwd="linux-0",
        env={"A": "linux-0", "B": True},
        stdin="linux-0",
        locks=("linux-0",),
        resources={"gpu": "2"},
        inputs_files=("linux-0",),
        outputs_files=("linux-0",),
        tool="linux-0",
        tags=("linux-0",),
        step_def={"type": "http", "n": 2, "deep": [{"x": "linux-0"}], "item": item},
        condition="'linux' == 'linux'",
        skip_if=("2 > 3", "0 == 1"),
        approval=Approval(prompt="linux-0"),
    )


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("prev.a.status", "prev.a.status"),
        ("prev[item.name].status == 'success'", "prev['b-c'].status == 'success'"),
        ("item.n in prev.a.list and not inputs.dry", "2 in prev.a.list && !inputs.dry"),
        ("item.list[index] == env.X ? item.absent : [item.f]", "1 == env.X ? null : [0.5]"),
        ("run.id in item.list", "run.id in [1, 'x', [true]]"),
        ("'n' in item and prev.x", "true && prev.x"),
        ("item == item", "true"),
    ],
)
def test_only_what_is_known_is_written_into_an_expression(text: str, bound: str) -> None:
    item = {"name": "b-c", "n": 2, "f": 0.5, "list": [1, "x", [True]]}
    (child,) = expand(foreach(run="x ${{ " + text + " }}", condition=text), [item])
    assert child.condition == bound
    expected = "x true" if bound == "true" else f"x ${{{{ {bound} }}}}"
    assert child.run == expected


def test_a_list_that_is_an_argument_gives_many() -> None:
    item = {"flags": ["-a", 1, None, {"x": "${{ y }}"}], "one": {"k": [True]}}
    args = ("x", "${{ item.flags }}", "f=${{ item.flags[0] }}", "${{ item.one }}", 3)
    (child,) = expand(foreach(command="c", args=args), [item])
    assert child.args == (
        *("x", "-a", "1", "", '{"x":"$${{ y }}"}'),
        *("f=-a", '{"k":[true]}', 3),
    )
    (shell,) = expand(foreach(command="c", args=args[1:2], shell=True), [item])
    assert shell.args == ('["-a",1,null,{"x":"$${{ y }}"}]',)


def test_names_of_another_loop_are_left_alone() -> None:
    step = Step(id="t", matrix={}, run="${{ item }} ${{ matrix.a }}")
    assert expand(step, [{"a": 1}])[0].run == "${{ item }} 1"


@pytest.mark.parametrize(
    "item", ["${{ env.SECRET }}", "a $", "$$", "$${{ x", "{{ 1 }}", "}}' \" \\", "a\n'}}"]
)
def test_an_item_is_never_read_as_a_template(item: str) -> None:
    step = foreach(
        run="${{ item }}${{ prev.a }}|$${{ ${{ item }}{{ 1 }} ${{ [item, prev.a] }}",
        step_def={"type": "x", "one": "${{ item }}", "all": "${{ [item] }}"},
    )
    (child,) = expand(step, [item])
    scope = {"prev": {"a": "P"}}
    assert child.run is not None
    rendered = compile_template(child.run).render_text(scope)
    assert rendered.startswith(f"{item}P|${{{{ {item}{{{{ 1 }}}} [")
    assert child.step_def is not None
    assert compile_template(child.step_def["one"]).render(scope) == item
    assert compile_template(child.step_def["all"][0]).render(scope) == item


@given(
    st.lists(
        st.sampled_from(
            ["$", "{{", "}}", "-", "$${{", "${{ item }}", "${{ prev.a }}", "${{ [item, prev.a] }}"]
        )
    ).map("".join),
    st.text(st.sampled_from("${} a'\\\n")),
)
@settings(max_examples=300, deadline=None)
def test_binding_first_or_rendering_at_once_gives_the_same_text(text: str, item: str) -> None:
    prev = {"a": "P"}
    try:
        compile_template(text)
    except ExpressionError:
        assume(False)
    expected = compile_template(text).render_text({"item": item, "prev": prev})
    (child,) = expand(foreach(run=text), [item])
    assert child.run is not None
    assert compile_template(child.run).render_text({"prev": prev}) == expected


@pytest.mark.parametrize(
    ("fields", "items", "message"),
    [
        ({"run": "${{ item.x }}"}, ["a"], r"step 'build\[a\]', run: cannot look up 'x'"),
        ({"run": "${{ item.x < 1 }}"}, [{}], r"step 'build\[0\]', run: '<' needs"),
        ({"condition": "item == prev.a"}, [{"x": 1}], r"condition: .*'item == prev.a': a map"),
        ({"condition": "item == prev.a"}, [2**70], r"number out of range"),
        ({"condition": "item == prev.a"}, ["x" * 5_000], r"very long value"),
        ({"condition": "prev.a in [item, item]"}, ["x" * 3_000], r"at most 4096"),
        ({"skip_if": ("item ==",)}, [1], r"skip_if: column 8: expected a value"),
        ({"run": "x", "matrix": {"a": [1]}}, [{}], "both foreach and matrix"),
        ({"run": "x"}, range(MAX_CHILDREN + 1), "10001 steps, at most 10000"),
    ],
)
def test_expansion_error(fields: dict[str, Any], items: Any, message: str) -> None:
    with pytest.raises(ExpansionError, match=message):
        expand(foreach(**fields), items)


def test_ids_are_bounded_and_unique() -> None:
    long = Step(id="x" * 195, run="x", foreach=())
    assert expand(long, ["linux", "mac"])[0].id == "x" * 195 + "[0]"
    with pytest.raises(ExpansionError, match="exceeds 200 characters"):
        expand(Step(id="x" * 198, run="x", foreach=()), ["linux"])
    twice = Step(id="t", run="x", matrix={"a": [1, "1"]})
    with pytest.raises(ExpansionError, match=r"two of its children would be 't\[a=1\]'"):
        expand(twice, axes(twice.matrix or {}))


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ({}, []),
        ({"a": []}, []),
        ({"a": [1, 2], "b": "xy"[:0] or []}, []),
        (
            {"a": [1, 2], "b": ["x", "y"]},
            [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}],
        ),
        (
            {"a": [1, 2], "b": ["x", "y"], "exclude": [{"a": 1, "b": "y"}, {"a": 2}]},
            [{"a": 1, "b": "x"}],
        ),
        ({"a": [1, True], "exclude": [{"a": True}]}, [{"a": 1}]),
        ({"include": [{"a": 1}, {"b": 2}]}, [{"a": 1}, {"b": 2}]),
        # The example of GitHub's documentation.
        (
            {
                "fruit": ["apple", "pear"],
                "animal": ["cat", "dog"],
                "include": [
                    {"color": "green"},
                    {"color": "pink", "animal": "cat"},
                    {"fruit": "apple", "shape": "circle"},
                    {"fruit": "banana"},
                    {"fruit": "banana", "animal": "cat"},
                ],
            },
            [
                {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
                {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
                {"fruit": "pear", "animal": "cat", "color": "pink"},
                {"fruit": "pear", "animal": "dog", "color": "green"},
                {"fruit": "banana"},
                {"fruit": "banana", "animal": "cat"},
            ],
        ),
    ],
)
def test_axes(matrix: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    before = repr(matrix)
    assert axes(matrix) == expected
    assert repr(matrix) == before


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ({"a": "linux"}, r"matrix.a: expected a list, found 'linux' \(a string\)"),
        ({"a": [1], "include": {"a": 1}}, "matrix.include: expected a list of maps"),
        ({"a": [1], "include": [{}]}, "not empty"),
        ({"a": [1], "exclude": ["a"]}, "matrix.exclude: expected a list of maps"),
        ({"a": [1], "exclude": [{"b": 1}]}, "matrix.exclude: 'b' is not an axis"),
        ({name: list(range(10)) for name in "abcde"}, "100000 steps"),
        ({name: list(range(100)) for name in "abcdefghij"}, "at most 10000"),
        ({"a": list(range(10_000)), "include": [{"b": 1}] * 101}, "too many include"),
        ({"include": [{"b": 1}] * 10_001}, "10001 steps"),
    ],
)
def test_axes_error(matrix: dict[str, Any], message: str) -> None:
    with pytest.raises(ExpansionError, match=message):
        axes(matrix)


def test_a_failing_comparison_fails_in_the_child() -> None:
    (child,) = expand(foreach(run="x", condition="item < 3"), ["a"])
    assert child.condition is not None
    with pytest.raises(EvaluationError, match="'a' < 3"):
        compile_expression(child.condition).evaluate({})
