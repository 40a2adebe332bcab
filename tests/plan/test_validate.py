from __future__ import annotations

import pytest
from msgspec.structs import replace

from stoker.plan.errors import PlanError
from stoker.plan.loader import loads
from stoker.plan.model import Plan, Step
from stoker.plan.step_rules import Kinds
from stoker.plan.validate import validate, validate_extension


def problems(text: str, kinds: Kinds) -> list[str]:
    """Everything wrong with a plan, without its places."""
    try:
        found = loads(text, name="p.yaml", kinds=kinds).warnings
    except PlanError as error:
        found = error.problems
    return [str(replace(problem, file="", line=None, column=None)) for problem in found]


def of_steps(text: str, kinds: Kinds) -> list[str]:
    return problems("plan_id: p\nsteps:\n" + text, kinds)


GOOD = """
plan_id: nightly
inputs: {target: main, token: {required: true, secret: true}}
globals:
  env: {BRANCH: '${{ inputs.target }}'}
  resources: {memory: 8GiB, gpu: 2}
  circuit_breaker: {failure_threshold: 3}
steps:
  - {id: build, command: make, args: ['${{ inputs.target }}', 3], provides: [image, lib.so]}
  - id: test
    run: pytest ${HOME} "${{ consumes.image }}"
    consumes: [image]
    retries: 2
    retry: {delay_sec: 1.5, on_exit_codes: [1, 75]}
    on_failure: fallback_step
    fallback_step: smoke
    resources: {memory: 2GiB, cpu: 500m}
  - {id: smoke, run: smoke, condition: "prev.test.status == 'failed'"}
  - id: notify
    step_def: {type: call, url: 'http://x/${{ run.id }}', attempts: '${{ inputs.target }}'}
    condition: prev.test.status == 'success' and env.HOME != ''
    skip_if: ["inputs.target == 'x'", "prev['shards[0]'].exit_code == 1"]
    critical: false
    on_failure: continue
  - {id: shards, command: x, args: ['${{ item }}', '${{ index }}'], foreach: [1, 2]}
  - {id: grid, command: x, args: ['${{ matrix.py }}'], matrix: {py: [3, 4], include: [{os: x}]},
     name: 'on ${{ matrix.os }}', depends_on: [build, shards], effects: once, approval: true}
"""


def test_a_good_plan_has_no_problems(kinds: Kinds) -> None:
    assert problems(GOOD, kinds) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- {id: '', run: x}", "steps[0].id: expected 1 to 200 characters"),
        ("- {id: a/b, run: x}", "steps[0].id: expected 1 to 200 characters"),
        ('- {id: "a\\tb", run: x}', "steps[0].id: expected 1 to 200 characters"),
        ("- {id: .., run: x}", "steps[0].id: expected 1 to 200 characters"),
        (f"- {{id: {'a' * 201}, run: x}}", "steps[0].id: expected 1 to 200 characters"),
        ("- {id: a}", "steps[0]: expected exactly one of command, run and step_def, found none"),
        ("- {id: a, run: x, command: y}", "step_def, found command and run"),
        ("- {id: a, run: '  '}", "steps[0].run: there is nothing to execute"),
        ("- {id: a, command: ''}", "steps[0].command: there is nothing to execute"),
        ("- {id: a, run: x, args: [1]}", "steps[0].args: args belongs to command"),
        ("- {id: a, run: x, shell: true}", "steps[0].shell: shell belongs to command"),
        ("- {id: a, step_def: {}}", "steps[0].step_def: the required field 'type' is missing"),
        ("- {id: a, step_def: {type: cal}}", "unknown kind of step 'cal' (did you mean 'call'?)"),
        ("- {id: a, step_def: {type: 3}}", "unknown kind of step 3; known: call"),
        ("- {id: a, step_def: {type: call}}", "step_def: the required field 'url' is missing"),
        (
            "- {id: a, step_def: {type: call, url: 'x://', metod: GET}}",
            "steps[0].step_def.metod: unknown field 'metod' (did you mean 'method'?)",
        ),
        (
            "- {id: a, step_def: {type: call, url: 'x://', attempts: 0}}",
            "step_def.attempts: expected int >= 1, found the number 0",
        ),
        ("- {id: a, step_def: {type: call, url: x}}", "steps[0].step_def: 'x' is no URL"),
        ("- {id: a, run: x, timeout_sec: 0}", "timeout_sec: expected more than 0, found 0"),
        ("- {id: a, run: x, timeout_sec: -1}", "timeout_sec: expected more than 0, found -1"),
        ("- {id: a, run: x, retries: -1}", "retries: expected 0 or more, found -1"),
        ("- {id: a, run: x, retries: 1, retry: {backoff: 0.5}}", "backoff: expected 1 or more"),
        ("- {id: a, run: x, retries: 1, retry: {jitter: 2}}", "jitter: expected 0 to 1"),
        ("- {id: a, run: x, retries: 1, retry: {delay_sec: -1}}", "expected 0 or more"),
        ("- {id: a, run: x, retries: 1, retry: {max_delay_sec: 0}}", "expected more than 0"),
        ("- {id: a, run: x, retries: 1, retry: {on_exit_codes: []}}", "at least one code"),
        ("- {id: a, run: x, retries: 1, retry: {on_exit_codes: [1, 300]}}", "[1]: expected a fail"),
        (
            "- {id: a, run: x, retries: 1, retry_delay_sec: 1, retry: {delay_sec: 2}}",
            "differs from",
        ),
        ("- {id: a, run: x, retry: {delay_sec: 2}}", "warning: steps[0].retry: has no effect"),
        (
            "- {id: a, run: x, critical: false}",
            "warning: steps[0].critical: critical: false has no",
        ),
        ("- {id: a, run: x, effects: once, on_interrupt: rerun}", "effects: once never runs again"),
        ("- {id: a, run: x, approval: {timeout_sec: 0}}", "approval.timeout_sec: expected more"),
        ("- {id: a, run: x, env: {'A=B': 1}}", "steps[0].env['A=B']: no name of an environment"),
        ("- {id: a, run: x, locks: ['']}", "locks: the name of a lock is empty"),
        ("- {id: a, run: x, tool: ''}", "tool: the name of the tool is empty"),
        ("- {id: a, run: x, resources: {gpu: 0}}", "resources.gpu: expected more than 0"),
        ("- {id: a, run: x, resources: {gpu: two}}", "resources.gpu: 'two' is not an amount"),
        ("- {id: a, run: x, provides: [1a]}", "provides[0]: expected a name of letters"),
        ("- {id: a, run: x, consumes: ['a b'], provides: ['a b']}", "consumes[0]: expected a name"),
        ("- {id: a, run: x, foreach: [1], matrix: {a: [1]}}", "expected one of foreach and matrix"),
        ("- {id: a, run: x, foreach: []}", "warning: steps[0].foreach: it is empty"),
        ("- {id: a, run: x, matrix: {a: []}}", "warning: steps[0].matrix: it is empty"),
        ("- {id: a, run: x, matrix: {a: 1}}", "steps[0].matrix: matrix.a: expected a list"),
        (
            "- {id: a, run: x, matrix: {v: [1, '1']}}",
            "steps[0].matrix: step 'a': two of its children would be 'a[v=1]'",
        ),
        (
            "- {id: " + "a" * 199 + ", run: x, foreach: [1]}",
            "steps[0].foreach: step '" + "a" * 199 + "': the id",
        ),
        (
            "- {id: a, run: x, foreach: [" + "'${{ inputs.count }}', " * 10_001 + "]}",
            "steps[0].foreach: step 'a': expands to 10001 steps, at most 10000 may be",
        ),
        (
            "- {id: 'a[eu]', run: x}\n- {id: a, run: x, foreach: [us, eu]}",
            "steps[1].foreach[1]: makes a step 'a[eu]'; steps[0] has that id already",
        ),
        (
            "- {id: 'a[0]', run: x}\n- {id: a, run: x, foreach: [us, us]}",
            "steps[1].foreach[0]: makes a step 'a[0]'; steps[0] has that id already",
        ),
        (
            "- {id: a, run: x, matrix: {v: [1, 2]}}\n- {id: 'a[v=2]', run: x}",
            "steps[0].matrix: makes a step 'a[v=2]'; steps[1] has that id already",
        ),
        # Between steps.
        ("- {id: a, run: x}\n- {id: a, run: x}", "steps[1].id: duplicate id 'a': steps[0] has it"),
        (
            "- {id: build, run: x, depends_on: [bild]}",
            "depends_on[0]: unknown step 'bild' (did you",
        ),
        ("- {id: a, run: x, consumes: [b]}", "steps[0].consumes[0]: no step provides 'b'"),
        (
            "- {id: a, run: x, provides: [r]}\n- {id: b, run: x, provides: [r]}",
            "steps[1].provides[0]: 'r' is provided by step 'a' already",
        ),
        (
            "- {id: a, run: x, depends_on: [b]}\n- {id: b, run: x, consumes: [r]}\n"
            "- {id: c, run: x, provides: [r], condition: prev.a.exit_code == 0}",
            "cycle: a -> b -> c -> a (b consumes 'r'; c refers to prev.a)",
        ),
        # Fallbacks.
        ("- {id: a, run: x, on_failure: fallback_step}", "but fallback_step names none"),
        ("- {id: a, run: x, fallback_step: b}\n- {id: b, run: x}", "set both or neither"),
        (
            "- {id: a, run: x, on_failure: fallback_step, fallback_step: c}\n- {id: b, run: x}",
            "steps[0].fallback_step: unknown step 'c'",
        ),
        (
            "- {id: a, run: x, on_failure: fallback_step, fallback_step: b}\n- {id: b, run: x}\n"
            "- {id: c, run: x, depends_on: [b]}",
            "steps[2].depends_on: step 'b' is the fallback of 'a' and runs only in its place",
        ),
        (
            "- {id: a, run: x, on_failure: fallback_step, fallback_step: b}\n"
            "- {id: b, run: x, provides: [r]}\n- {id: c, run: x, consumes: [r]}",
            "steps[2].consumes: step 'b' is the fallback of 'a'",
        ),
        (
            "- {id: a, run: x, on_failure: fallback_step, fallback_step: b}\n"
            "- {id: b, run: x, depends_on: [a]}",
            "steps[1].depends_on: a fallback runs when 'a' has failed, so it cannot depend on",
        ),
        (
            "- {id: a, run: x, on_failure: fallback_step, fallback_step: b}\n"
            "- {id: b, run: x, on_failure: fallback_step, fallback_step: a}",
            "cycle: a -> b -> a (a is the fallback of b; b is the fallback of a)",
        ),
        # Expressions and templates.
        ("- {id: a, run: x, condition: 'a +'}", "steps[0].condition: "),
        (
            "- {id: a, run: x, condition: nope.x}",
            "unknown name 'nope'; known: consumes, env, index",
        ),
        ("- {id: a, run: x, condition: prev.b.status}", "condition: unknown step 'b'"),
        ("- {id: a, run: x, skip_if: [prev.b.state]}", "skip_if[0]: unknown step 'b'"),
        (
            "- {id: a, run: x}\n- {id: b, run: x, condition: prev.a.statuss == 1}",
            "a step has no 'statuss' (did you mean 'status'?); known: exit_code, outputs, status",
        ),
        ("- {id: a, run: x, condition: prev}", "'prev' needs the name of a step"),
        ("- {id: a, run: x, condition: inputs.n == 1}", "the plan has no input 'n'"),
        ("- {id: a, run: x, condition: run.name == 1}", "a run has no 'name'; known: id"),
        ("- {id: a, run: 'x ${{ inputs.n }}'}", "steps[0].run: the plan has no input 'n'"),
        ("- {id: a, run: 'x ${{ inputs.n'}", "steps[0].run: "),
        ("- {id: a, run: '${{ consumes.r }}'}", "the step does not consume 'r'"),
        ("- {id: a, run: '${{ item }}'}", "'item' is known only in a step with foreach"),
        ("- {id: a, run: '${{ index }}'}", "'index' is known only in a step with foreach or"),
        ("- {id: a, run: '${{ matrix.x }}'}", "'matrix' is known only in a step with matrix"),
        ("- {id: a, run: '${{ matrix.y }}', matrix: {x: [1]}}", "the matrix has no 'y'"),
        ("- {id: a, run: x, foreach: ['${{ inputs.n }}']}", "steps[0].foreach[0]: the plan has no"),
        ("- {id: a, run: x, foreach: ['${{ item }}']}", "steps[0].foreach[0]: 'item' is not known"),
        ("- {id: a, run: x, matrix: {v: ['${{ inputs']}}", "steps[0].matrix.v[0]: "),
        ("- {id: a, run: x, matrix: {v: '${{ matrix.v }}'}}", "steps[0].matrix.v: 'matrix' is not"),
        ("- {id: a, run: x, foreach: item.x}", "'item' is not known before the step is expanded"),
        (
            "- {id: a, step_def: {type: call, url: 'x://', headers: {k: '${{ inputs.n }}'}}}",
            "steps[0].step_def.headers.k: the plan has no input 'n'",
        ),
        ("- {id: a, run: x, name: '${{ item', foreach: [1]}", "steps[0].name: "),
    ],
)
def test_a_step_that_is_wrong(text: str, expected: str, kinds: Kinds) -> None:
    found = of_steps(text, kinds)
    assert [message for message in found if expected in message], found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plan_id: p\nsteps: []", "steps: a plan needs at least one step"),
        ("plan_id: p", "steps: a plan needs at least one step"),
        ("plan_id: ''", "plan_id: expected 1 to 200 characters"),
        ("plan_id: p\nglobals: {default_timeout_sec: 0}", "default_timeout_sec: expected more"),
        ("plan_id: p\nglobals: {max_step_duration_sec: -1}", "expected more than 0, found -1"),
        ("plan_id: p\nglobals: {max_run_duration_sec: 0}", "max_run_duration_sec: expected"),
        ("plan_id: p\nglobals: {max_concurrency: 0}", "max_concurrency: expected 1 or more"),
        ("plan_id: p\nglobals: {default_retries: -1}", "default_retries: expected 0 or more"),
        ("plan_id: p\nglobals: {env: {'': x}}", "no name of an environment variable"),
        (
            "plan_id: p\nglobals: {env: {A: '${{ prev.a.status }}'}}",
            "globals.env.A: 'prev' belongs",
        ),
        ("plan_id: p\nglobals: {cwd: '${{ inputs.x }}'}", "globals.cwd: the plan has no input"),
        ("plan_id: p\nglobals: {resources: {cpu: 0}}", "resources.cpu: expected more than 0"),
        ("plan_id: p\nglobals: {resources: {cpu: x}}", "resources.cpu: 'x' is not an amount"),
        ("plan_id: p\nglobals: {circuit_breaker: {failure_threshold: 0}}", "expected 1 or more"),
        ("plan_id: p\nglobals: {circuit_breaker: {reset_timeout_sec: 0}}", "more than 0"),
        ("plan_id: p\ninputs: {a b: 1}", "inputs['a b']: expected a name of letters"),
        ("plan_id: p\ninputs: {a: {required: true, default: 1}}", "inputs.a: required, but it has"),
        (
            "plan_id: p\nglobals: {resources: {m: 1GiB}}\n"
            "steps: [{id: a, run: x, resources: {m: 2GB}}]",
            "steps[0].resources.m: 2GB is more than the 1GiB of globals.resources",
        ),
    ],
)
def test_a_plan_that_is_wrong(text: str, expected: str, kinds: Kinds) -> None:
    found = problems(text, kinds)
    assert [message for message in found if expected in message], found


def test_all_problems_are_told_at_once_with_their_places(kinds: Kinds) -> None:
    text = """plan_id: p
globals: {max_concurrency: 0}
extra: 1
steps:
  - id: a
    run: x
    dependson: [b]
    depends_on: [b]
  - id: b
    command: x
    depends_on: [a]
    timeout_sec: "10"
  - id: c
    run: x
    depends_on: [aa]
    condition: prev.x.status ==
  - {id: a, run: x}
"""
    with pytest.raises(PlanError) as caught:
        loads(text, name="p.yaml", kinds=kinds)
    assert [
        (problem.line, problem.column, problem.pointer) for problem in caught.value.problems
    ] == [
        (2, 28, "/globals/max_concurrency"),
        (3, 1, "/extra"),
        (7, 5, "/steps/0/dependson"),
        (8, 17, "/steps/0/depends_on"),
        (12, 18, "/steps/1/timeout_sec"),
        (15, 18, "/steps/2/depends_on/0"),
        (16, 16, "/steps/2/condition"),
        (17, 10, "/steps/3/id"),
    ]
    assert (
        str(caught.value).splitlines()[3] == "p.yaml:8:17: steps[0].depends_on: cycle: a -> b -> a"
    )


def test_what_a_plan_may_be_expanded_to_is_bounded(
    kinds: Kinds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stoker.plan.validate.MAX_MADE", 1_000)
    steps = "".join(f"- {{id: s{n}, run: x, foreach: [{'1, ' * 100}]}}\n" for n in range(20))
    assert of_steps(steps, kinds) == [
        "steps[10]: with those above expanded to 1,100 steps, at most 1,000 may be; "
        "what follows is not checked"
    ]


def test_a_fallback_may_cover_several_steps_and_provide_for_them(kinds: Kinds) -> None:
    covered = "on_failure: fallback_step, fallback_step: undo"
    text = f"""
- {{id: fetch, run: x, provides: [tree], {covered}}}
- {{id: merge, run: x, consumes: [tree], provides: [commit], {covered}}}
- {{id: push, run: x, consumes: [commit], on_failure: fallback_step, fallback_step: retry}}
- {{id: retry, run: x, {covered}}}
- {{id: undo, run: x, provides: [commit, tree]}}
"""
    assert of_steps(text, kinds) == []


PLAN = Plan(
    plan_id="p",
    inputs={"n": 1},
    steps=(
        Step(id="a", run="x", provides=("r",), on_failure="fallback_step", fallback_step="f"),
        Step(id="f", run="x"),
        Step(id="e", run="x", foreach=(1, 2)),
        Step(id="e[2]", run="x"),  # its child: the run has begun
    ),
)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([Step(id="b", run="${{ inputs.n }}", depends_on=("a",), consumes=("r",))], []),
        ([], [("/steps", "an extension needs")]),
        ([Step(id="a", run="x")], [("/steps/0/id", "duplicate id 'a'")]),
        ([Step(id="b", run="x"), Step(id="c")], [("/steps/1", "exactly one of")]),
        ([Step(id="b", run="x", depends_on=("z",))], [("/steps/0/depends_on/0", "unknown step")]),
        ([Step(id="b", run="x", depends_on=("f",))], [("/steps/0/depends_on", "is the fallback")]),
        ([Step(id="b", run="x", provides=("r",))], [("/steps/0/provides/0", "by step 'a'")]),
        (
            [Step(id="b", run="x", on_failure="fallback_step", fallback_step="a")],
            [("/steps/0/fallback_step", "is in the run already")],
        ),
        (
            [
                Step(id="e[1]", run="x"),
                Step(id="b[0]", run="x"),
                Step(id="b", run="x", foreach=({},)),
            ],
            [
                ("/steps/0/id", "step 'e' makes a step 'e[1]' already"),
                ("/steps/2/foreach/0", "'b[0]'"),
            ],
        ),
        (
            [Step(id="b", run="x", depends_on=("c",)), Step(id="c", run="x", depends_on=("b",))],
            [("/steps/0/depends_on", "cycle: b -> c -> b")],
        ),
    ],
)
def test_extensions(steps: list[Step], expected: list[tuple[str, str]], kinds: Kinds) -> None:
    found = validate_extension(PLAN, steps, kinds)
    assert [problem.pointer for problem in found] == [pointer for pointer, _ in expected]
    for problem, (_, message) in zip(found, expected, strict=True):
        assert message in problem.message


def test_plans_built_in_python_may_hold_what_json_does_not(kinds: Kinds) -> None:
    plan = Plan(plan_id="p", steps=(Step(id="a", run="x", ui_hints={"o": object()}),))
    assert validate(plan, kinds) == []
