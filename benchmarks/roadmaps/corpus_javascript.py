"""Tasks in JavaScript."""

from __future__ import annotations

from benchmarks.roadmaps.item import Item, Part

_TEST = """
import assert from "node:assert/strict";
import { test } from "node:test";
"""


def _stub(name: str) -> str:
    return f'export function {name}() {{\n  throw new Error("not implemented");\n}}\n'


def _tests(imports: str, *cases: tuple[str, str]) -> str:
    bodies = "\n".join(f'test("{name}", () => {{\n  {body}\n}});' for name, body in cases)
    return f"{_TEST.lstrip()}{imports}\n\n{bodies}\n"


ITEMS = (
    Item(
        name="clamp",
        level=1,
        language="javascript",
        title="Clamp and scale numbers",
        text="`clamp(value, low, high)` keeps a number within bounds, `lerp(a, b, t)` goes from a "
        "(t = 0) to b (t = 1).",
        parts=(
            Part(
                _stub("clamp"),
                "export function clamp(value, low, high) {\n"
                "  return Math.min(Math.max(value, low), high);\n}\n",
            ),
            Part(
                _stub("lerp"),
                "export function lerp(a, b, t) {\n  return a * (1 - t) + b * t;\n}\n",
            ),
        ),
        visible=_tests(
            'import { clamp, lerp } from "../src/clamp.js";',
            ("clamp: within", "assert.equal(clamp(12, 0, 10), 10);"),
            ("lerp: halfway", "assert.equal(lerp(0, 10, 0.5), 5);"),
        ),
        hidden=_tests(
            'import { clamp, lerp } from "../src/clamp.js";',
            ("low", "assert.equal(clamp(-1, 0, 10), 0); assert.equal(clamp(3, 0, 10), 3);"),
            ("ends", "assert.equal(lerp(2, 4, 0), 2); assert.equal(lerp(2, 4, 1), 4);"),
        ),
    ),
    Item(
        name="chunk",
        level=1,
        language="javascript",
        title="Chunks and pairs of lists",
        text="`chunk(list, size)` cuts a list into pieces of `size`, the last may be shorter; "
        "`zip(a, b)` gives pairs up to the shorter list's end.",
        parts=(
            Part(
                _stub("chunk"),
                """
export function chunk(list, size) {
  const pieces = [];
  for (let i = 0; i < list.length; i += size) pieces.push(list.slice(i, i + size));
  return pieces;
}
""",
            ),
            Part(
                _stub("zip"),
                """
export function zip(a, b) {
  return Array.from({ length: Math.min(a.length, b.length) }, (_, i) => [a[i], b[i]]);
}
""",
            ),
        ),
        visible=_tests(
            'import { chunk, zip } from "../src/chunk.js";',
            ("chunk: pieces", "assert.deepEqual(chunk([1, 2, 3], 2), [[1, 2], [3]]);"),
            ("zip: pairs", 'assert.deepEqual(zip([1, 2], ["a", "b"]), [[1, "a"], [2, "b"]]);'),
        ),
        hidden=_tests(
            'import { chunk, zip } from "../src/chunk.js";',
            ("none", "assert.deepEqual(chunk([], 3), []); assert.deepEqual(zip([], [1]), []);"),
            ("shorter", "assert.deepEqual(zip([1, 2, 3], [4]), [[1, 4]]);"),
        ),
    ),
    Item(
        name="query",
        level=2,
        language="javascript",
        title="Query strings",
        text="`parse(text)` reads `a=1&b=x%20y` into an object; a key that comes again makes a "
        "list, `+` is a space, a key without `=` is an empty text. `build(object)` is its "
        "inverse: keys in the object's order, undefined left out.",
        parts=(
            Part(
                _stub("parse"),
                """
export function parse(text) {
  const decode = (part) => decodeURIComponent(part.replaceAll("+", " "));
  const found = {};
  for (const pair of text.split("&").filter(Boolean)) {
    const at = pair.indexOf("=");
    const key = decode(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? "" : decode(pair.slice(at + 1));
    found[key] = Object.hasOwn(found, key) ? [found[key], value].flat() : value;
  }
  return found;
}
""",
            ),
            Part(
                _stub("build"),
                """
export function build(object) {
  return Object.entries(object)
    .flatMap(([key, value]) => [value].flat().map((one) => [key, one]))
    .filter(([, value]) => value !== undefined)
    .map((pair) => pair.map(encodeURIComponent).join("="))
    .join("&");
}
""",
            ),
        ),
        visible=_tests(
            'import { build, parse } from "../src/query.js";',
            ("parse: text", 'assert.deepEqual(parse("a=1&b=x%20y+z"), { a: "1", b: "x y z" });'),
            ("parse: list", 'assert.deepEqual(parse("a=1&a=2"), { a: ["1", "2"] });'),
            ("build: text", 'assert.equal(build({ a: "1 2", b: ["x", "y"] }), "a=1%202&b=x&b=y");'),
        ),
        hidden=_tests(
            'import { build, parse } from "../src/query.js";',
            ("bare", 'assert.deepEqual(parse("a&b="), { a: "", b: "" });'),
            ("thrice", 'assert.deepEqual(parse("a=1&a=2&a=3"), { a: ["1", "2", "3"] });'),
            (
                "empty",
                'assert.deepEqual(parse(""), {}); assert.equal(build({ a: undefined }), "");',
            ),
            ("equals", 'assert.deepEqual(parse("a=b=c"), { a: "b=c" });'),
        ),
    ),
    Item(
        name="version",
        level=2,
        language="javascript",
        title="Compare versions",
        text="`compare(a, b)` of versions `1.2.3` or `1.2.3-rc.1` gives -1, 0 or 1: numbers as "
        "numbers, one with a suffix before the same without, suffixes as semver orders them. "
        "`highest(list)` gives the highest of a list without changing it, or null.",
        parts=(
            Part(
                _stub("compare"),
                """
export function compare(a, b) {
  const [mainA, preA] = split(a);
  const [mainB, preB] = split(b);
  for (let i = 0; i < 3; i++) {
    if (mainA[i] !== mainB[i]) return Math.sign(mainA[i] - mainB[i]);
  }
  if (!preA.length || !preB.length) return Math.sign(preB.length && 1) - Math.sign(preA.length && 1);
  for (let i = 0; i < Math.max(preA.length, preB.length); i++) {
    if (preA[i] === undefined) return -1;
    if (preB[i] === undefined) return 1;
    if (preA[i] === preB[i]) continue;
    const numbers = [preA[i], preB[i]].map((part) => /^\\d+$/.test(part));
    if (numbers[0] && numbers[1]) return Math.sign(preA[i] - preB[i]);
    if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
    return preA[i] < preB[i] ? -1 : 1;
  }
  return 0;
}

function split(version) {
  const at = version.indexOf("-");
  const main = at < 0 ? version : version.slice(0, at);
  return [main.split(".").map(Number), at < 0 ? [] : version.slice(at + 1).split(".")];
}
""",
            ),
            Part(
                _stub("highest"),
                "export function highest(list) {\n  return [...list].sort(compare).at(-1) ?? null;\n}\n",
            ),
        ),
        visible=_tests(
            'import { compare, highest } from "../src/version.js";',
            ("compare: numbers", 'assert.equal(compare("1.10.0", "1.9.0"), 1);'),
            ("compare: suffix", 'assert.equal(compare("1.0.0-rc.1", "1.0.0"), -1);'),
            ("highest: one", 'assert.equal(highest(["1.0.0", "1.2.0", "1.1.9"]), "1.2.0");'),
        ),
        hidden=_tests(
            'import { compare, highest } from "../src/version.js";',
            ("equal", 'assert.equal(compare("1.0.0", "1.0.0"), 0);'),
            ("number suffix", 'assert.equal(compare("1.0.0-rc.2", "1.0.0-rc.10"), -1);'),
            ("longer suffix", 'assert.equal(compare("1.0.0-rc", "1.0.0-rc.1"), -1);'),
            ("text above number", 'assert.equal(compare("1.0.0-1", "1.0.0-a"), -1);'),
            (
                "unchanged",
                'const all = ["2.0.0", "1.0.0"]; highest(all); assert.deepEqual(all, ["2.0.0", '
                '"1.0.0"]); assert.equal(highest([]), null);',
            ),
        ),
    ),
    Item(
        name="events",
        level=3,
        language="javascript",
        title="An emitter of events",
        text="`Emitter` has `on(name, listener)`, which gives a function that takes it off again, "
        "and `emit(name, ...values)`, which gives how many heard it. `once(emitter, name, "
        "listener)` hears one event; it uses `counted(listener, times)` of a new module "
        "`js/src/counted.js`, which calls the listener at most so many times.",
        header='import { counted } from "./counted.js";\n',
        also={
            "counted": (
                "",
                """
export function counted(listener, times) {
  let left = times;
  return (...values) => (left-- > 0 ? listener(...values) : undefined);
}
""".lstrip(),
            ),
        },
        parts=(
            Part(
                "export class Emitter {}\n",
                """
export class Emitter {
  #listeners = new Map();

  on(name, listener) {
    const entry = { listener };
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(entry));
    return () => all.delete(entry);
  }

  emit(name, ...values) {
    const all = [...(this.#listeners.get(name) ?? [])];
    for (const { listener } of all) listener(...values);
    return all.length;
  }
}
""",
            ),
            Part(
                _stub("once"),
                """
export function once(emitter, name, listener) {
  const first = counted(listener, 1);
  const off = emitter.on(name, (...values) => {
    off();
    first(...values);
  });
  return off;
}
""",
            ),
        ),
        visible=_tests(
            'import { counted } from "../src/counted.js";\n'
            'import { Emitter, once } from "../src/events.js";',
            (
                "on: hears",
                "const e = new Emitter(); const heard = []; const off = e.on('a', (v) => "
                "heard.push(v)); assert.equal(e.emit('a', 1), 1); off(); "
                "assert.equal(e.emit('a', 2), 0); assert.deepEqual(heard, [1]);",
            ),
            (
                "once: one",
                "const e = new Emitter(); const heard = []; once(e, 'a', (v) => heard.push(v)); "
                "e.emit('a', 1); e.emit('a', 2); assert.deepEqual(heard, [1]);",
            ),
            (
                "counted: twice",
                "let n = 0; const f = counted(() => n++, 2); f(); f(); f(); assert.equal(n, 2);",
            ),
        ),
        hidden=_tests(
            'import { Emitter, once } from "../src/events.js";',
            (
                "same listener twice",
                "const e = new Emitter(); let n = 0; const f = () => n++; const off = "
                "e.on('a', f); e.on('a', f); off(); e.emit('a'); assert.equal(n, 1);",
            ),
            ("nobody", "assert.equal(new Emitter().emit('x'), 0);"),
            (
                "off while emitting",
                "const e = new Emitter(); const heard = []; once(e, 'a', () => heard.push(1)); "
                "e.on('a', () => heard.push(2)); assert.equal(e.emit('a'), 2); "
                "assert.deepEqual(heard, [1, 2]);",
            ),
        ),
    ),
    Item(
        name="store",
        level=4,
        language="javascript",
        title="A store instead of a global",
        text="The state is a global object today. `createStore(reducer, initial)` gives `get()`, "
        "`dispatch(action)` and `subscribe(listener)` (gives a function that ends it; called "
        "with the new state, and only if it changed). `combine(reducers)` makes one reducer "
        "of several, and keeps the object if nothing changed. `js/src/counter.js` has "
        "`increment()` on the global: it is to export a reducer `counter(state = 0, action)` "
        "for the actions `increment` and `reset` instead.",
        also={
            "counter": (
                'import { state } from "./store.js";\n\nexport function increment() {\n'
                "  state.counter = (state.counter ?? 0) + 1;\n}\n",
                """
export function counter(state = 0, action) {
  if (action.type === "increment") return state + (action.by ?? 1);
  return action.type === "reset" ? 0 : state;
}
""".lstrip(),
            ),
        },
        parts=(
            Part(
                "export const state = {};\n",
                """
export function createStore(reducer, initial) {
  let state = initial;
  const listeners = new Set();
  return {
    get: () => state,
    dispatch(action) {
      const next = reducer(state, action);
      if (next === state) return;
      state = next;
      for (const listener of [...listeners]) listener(state);
    },
    subscribe(listener) {
      const own = (value) => listener(value);
      listeners.add(own);
      return () => listeners.delete(own);
    },
  };
}
""",
            ),
            Part(
                _stub("combine"),
                """
export function combine(reducers) {
  return (state = {}, action) => {
    const next = Object.fromEntries(
      Object.entries(reducers).map(([key, reduce]) => [key, reduce(state[key], action)]),
    );
    return Object.keys(next).some((key) => next[key] !== state[key]) ? next : state;
  };
}
""",
            ),
        ),
        visible=_tests(
            'import { counter } from "../src/counter.js";\n'
            'import { combine, createStore } from "../src/store.js";',
            (
                "store: counts",
                "const s = createStore(counter, 0); s.dispatch({ type: 'increment' }); "
                "assert.equal(s.get(), 1);",
            ),
            (
                "store: tells",
                "const s = createStore(counter, 0); const heard = []; const off = "
                "s.subscribe((v) => heard.push(v)); s.dispatch({ type: 'increment' }); "
                "s.dispatch({ type: 'other' }); off(); s.dispatch({ type: 'increment' }); "
                "assert.deepEqual(heard, [1]);",
            ),
            (
                "combine: parts",
                "const r = combine({ n: counter }); "
                "assert.deepEqual(r(undefined, { type: 'increment' }), { n: 1 });",
            ),
        ),
        hidden=_tests(
            'import { counter } from "../src/counter.js";\n'
            'import { combine, createStore } from "../src/store.js";',
            (
                "same object",
                "const r = combine({ n: counter }); const before = { n: 3 }; "
                "assert.equal(r(before, { type: 'x' }), before);",
            ),
            ("reset", "assert.equal(counter(5, { type: 'reset' }), 0);"),
            (
                "two stores",
                "const a = createStore(counter, 0), b = createStore(counter, 0); "
                "a.dispatch({ type: 'increment' }); assert.equal(b.get(), 0);",
            ),
        ),
    ),
    Item(
        name="scheduler",
        level=5,
        language="javascript",
        title="Run jobs in order of dependence",
        text="`order(jobs)` of {name: [names it needs]} gives the names so that each comes after "
        "what it needs, alphabetically where free; a cycle throws `CycleError` with the names "
        "on it in `cycle`, an unknown name an Error. `run(jobs, work, width)` calls the async "
        "`work(name)` for each, at most `width` at once, and gives {name: result}. "
        "CycleError belongs into a new module `js/src/cycle_error.js`.",
        header='import { CycleError } from "./cycle_error.js";\n',
        also={
            "cycle_error": (
                "",
                """
export class CycleError extends Error {
  constructor(cycle) {
    super(`cycle: ${cycle.join(" -> ")}`);
    this.name = "CycleError";
    this.cycle = cycle;
  }
}
""".lstrip(),
            ),
        },
        parts=(
            Part(
                _stub("order"),
                """
export function order(jobs) {
  const done = new Set();
  const path = [];
  const sorted = [];
  const visit = (name) => {
    if (done.has(name)) return;
    if (!Object.hasOwn(jobs, name)) throw new Error(`unknown job ${name}`);
    const at = path.indexOf(name);
    if (at >= 0) throw new CycleError(path.slice(at));
    path.push(name);
    for (const needed of [...jobs[name]].sort()) visit(needed);
    path.pop();
    done.add(name);
    sorted.push(name);
  };
  for (const name of Object.keys(jobs).sort()) visit(name);
  return sorted;
}
""",
            ),
            Part(
                _stub("run"),
                """
export async function run(jobs, work, width) {
  const waiting = order(jobs);
  const results = {};
  const running = new Map();
  while (waiting.length || running.size) {
    const ready = waiting.filter((name) => jobs[name].every((needed) => needed in results));
    for (const name of ready.slice(0, width - running.size)) {
      waiting.splice(waiting.indexOf(name), 1);
      running.set(name, Promise.resolve(work(name)).then((value) => [name, value]));
    }
    const [name, value] = await Promise.race(running.values());
    running.delete(name);
    results[name] = value;
  }
  return results;
}
""",
            ),
        ),
        visible=_tests(
            'import { CycleError } from "../src/cycle_error.js";\n'
            'import { order, run } from "../src/scheduler.js";',
            (
                "order: after",
                "assert.deepEqual(order({ c: ['a'], b: [], a: ['b'] }), ['b', 'a', 'c']);",
            ),
            ("order: cycle", "assert.throws(() => order({ a: ['b'], b: ['a'] }), CycleError);"),
            (
                "run: all",
                "return run({ a: [], b: ['a'] }, async (n) => n.toUpperCase(), 2)"
                ".then((r) => assert.deepEqual(r, { a: 'A', b: 'B' }));",
            ),
        ),
        hidden=_tests(
            'import { CycleError } from "../src/cycle_error.js";\n'
            'import { order, run } from "../src/scheduler.js";',
            (
                "names",
                "try { order({ x: ['y'], y: ['z'], z: ['y'] }); assert.fail(); } catch (e) { "
                "assert.ok(e instanceof CycleError); "
                "assert.deepEqual([...e.cycle].sort(), ['y', 'z']); }",
            ),
            ("unknown", "assert.throws(() => order({ a: ['q'] }), /q/);"),
            (
                "width",
                "let now = 0, most = 0; const work = async () => { most = Math.max(most, ++now); "
                "await new Promise(setImmediate); now--; }; const jobs = Object.fromEntries("
                "[...'abcdefgh'].map((n) => [n, []])); return run(jobs, work, 3)"
                ".then((r) => { assert.equal(most, 3); assert.equal(Object.keys(r).length, 8); });",
            ),
        ),
    ),
    Item(
        name="parser",
        level=5,
        language="javascript",
        title="Calculate with words for numbers",
        text="`tokens(text)` of a sum such as `2 * (x + 3)` gives {type: number|name|symbol, value} "
        "in order, a SyntaxError with the `position` for anything else. `evaluate(text, "
        "names)` calculates with + - * / ^ and brackets, ^ binds to the right, a minus "
        "before a value counts less than ^; an unknown name is a ReferenceError. The "
        "operators belong into a new module `js/src/operators.js`.",
        header='import { OPERATORS } from "./operators.js";\n',
        also={
            "operators": (
                "",
                """
export const OPERATORS = {
  "+": { level: 1, apply: (a, b) => a + b },
  "-": { level: 1, apply: (a, b) => a - b },
  "*": { level: 2, apply: (a, b) => a * b },
  "/": { level: 2, apply: (a, b) => a / b },
  "^": { level: 4, right: true, apply: (a, b) => a ** b },
};
""".lstrip(),
            ),
        },
        parts=(
            Part(
                _stub("tokens"),
                """
export function tokens(text) {
  const found = [];
  const pattern = /\\s*(?:(\\d+(?:\\.\\d+)?)|([A-Za-z_]\\w*)|([-+*/^()]))/y;
  let at = 0;
  while (text.slice(at).trim()) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) {
      const position = at + text.slice(at).search(/\\S/);
      throw Object.assign(new SyntaxError(`unexpected ${text[position]}`), { position });
    }
    const [, number, name, symbol] = match;
    if (number) found.push({ type: "number", value: Number(number) });
    else if (name) found.push({ type: "name", value: name });
    else found.push({ type: "symbol", value: symbol });
    at = pattern.lastIndex;
  }
  return found;
}
""",
            ),
            Part(
                _stub("evaluate"),
                """
export function evaluate(text, names = {}) {
  const rest = tokens(text);
  const fail = () => {
    throw new SyntaxError(`unexpected ${rest[0]?.value ?? "end"}`);
  };
  const value = () => {
    const token = rest.shift();
    if (token?.type === "number") return token.value;
    if (token?.type === "name") {
      if (!Object.hasOwn(names, token.value)) throw new ReferenceError(token.value);
      return names[token.value];
    }
    if (token?.value === "-") return -sum(3);
    if (token?.value !== "(") return fail();
    const inner = sum(1);
    if (rest.shift()?.value !== ")") fail();
    return inner;
  };
  const sum = (level) => {
    let left = value();
    while (rest[0]?.type === "symbol" && (OPERATORS[rest[0].value]?.level ?? 0) >= level) {
      const { level: own, right, apply } = OPERATORS[rest.shift().value];
      left = apply(left, sum(right ? own : own + 1));
    }
    return left;
  };
  const result = sum(1);
  return rest.length ? fail() : result;
}
""",
            ),
        ),
        visible=_tests(
            'import { OPERATORS } from "../src/operators.js";\n'
            'import { evaluate, tokens } from "../src/parser.js";',
            (
                "tokens: kinds",
                "assert.deepEqual(tokens('2*x').map((t) => t.type), ['number', 'symbol', 'name']);",
            ),
            ("evaluate: order", "assert.equal(evaluate('2 * (x + 3) - 4 / 2', { x: 1 }), 6);"),
            ("evaluate: right", "assert.equal(evaluate('2 ^ 3 ^ 2'), 512);"),
            ("operators: plus", "assert.equal(OPERATORS['+'].apply(1, 2), 3);"),
        ),
        hidden=_tests(
            'import { evaluate, tokens } from "../src/parser.js";',
            (
                "minus",
                "assert.equal(evaluate('-2 ^ 2'), -4); assert.equal(evaluate('2 * -3'), -6);",
            ),
            ("left", "assert.equal(evaluate('8 - 4 - 2'), 2);"),
            ("unknown", "assert.throws(() => evaluate('y'), ReferenceError);"),
            (
                "position",
                "try { tokens('1 + $'); assert.fail(); } catch (e) { assert.equal(e.position, 4); }",
            ),
            ("open", "assert.throws(() => evaluate('(1'), SyntaxError);"),
            ("left over", "assert.throws(() => evaluate('1 2'), SyntaxError);"),
        ),
    ),
)
