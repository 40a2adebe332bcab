"""Who waits for whom: the steps of a plan as numbers, compiled for speed.

Steps are numbered as they stand in the plan. Three relations hold between them:

* dependencies: `depends_on`, and the provider of each name a step consumes. A step runs
  only when they are satisfied.
* order: a step that refers to `prev.X` without depending on X waits until X is settled,
  however that ends. A fallback does not wait for the steps it stands in for.
* fallbacks: a step that others name as `fallback_step` runs only in place of one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from stoker.plan.model import Step
from stoker.plan.references import has_expression, may_hold_templates, references, step_named


class Graph:
    """The compiled graph. Names that no step has are passed over: `validate` reports them."""

    __slots__ = (
        "_covered_names",
        "dependencies",
        "dependents",
        "fallback_of",
        "followers",
        "ids",
        "index",
        "order_only",
        "providers",
        "templated",
        "unresolved",
    )

    def __init__(self) -> None:
        self.ids: list[str] = []
        """Step ids, by number."""
        self.index: dict[str, int] = {}
        """Step number, by id; of two steps with one id, the first."""
        self.dependencies: list[tuple[int, ...]] = []
        """By step: the steps it depends on, each once."""
        self.dependents: list[list[int]] = []
        """By step: the steps that depend on it."""
        self.order_only: list[tuple[int, ...]] = []
        """By step: the steps it waits for whatever their result, each once."""
        self.followers: list[list[int]] = []
        """By step: the steps that wait for it whatever its result."""
        self.fallback_of: dict[int, list[int]] = {}
        """By fallback step: the steps it stands in for."""
        self.providers: dict[str, int] = {}
        """By name provided: the step that provides it in the normal course."""
        self.templated = False
        """Whether any string of a step may hold `${{`."""
        self.unresolved: list[int] = []
        """Steps that name a dependency no step is, or consume what none provides."""
        self._covered_names: dict[str, set[str]] = {}
        """By the name of a fallback: the ids of the steps that name it."""

    @classmethod
    def build(cls, steps: Sequence[Step]) -> Graph:
        """The graph of a plan."""
        graph = cls()
        graph.extend(steps)
        return graph

    def __len__(self) -> int:
        return len(self.ids)

    def extend(self, steps: Sequence[Step]) -> None:
        """Append steps. What is there keeps its number; new steps may depend on old ones,
        and old ones depend on new ones never."""
        first, index, ids = len(self.ids), self.index, self.ids
        templated = may_hold_templates(steps)
        self.templated = self.templated or templated
        providing: list[tuple[int, Step]] = []
        for number, step in enumerate(steps, first):
            ids.append(step.id)
            index.setdefault(step.id, number)
            if step.fallback_step is not None:
                self._covered_names.setdefault(step.fallback_step, set()).add(step.id)
            if step.provides:
                providing.append((number, step))
        for number, step in providing:
            for name in step.provides:
                if name not in self.providers or self._replaces(self.providers[name], step):
                    self.providers[name] = number
        self.dependents.extend([] for _ in steps)
        self.followers.extend([] for _ in steps)
        for number, step in enumerate(steps, first):
            self._connect(number, step)
            if templated or has_expression(step):
                self._order(number, step)
            if step.fallback_step is not None and step.fallback_step in index:
                self.fallback_of.setdefault(index[step.fallback_step], []).append(number)

    def _replaces(self, provider: int, step: Step) -> bool:
        """A fallback provides only in place of the step it stands in for."""
        covered = self._covered_names
        return self.ids[provider] in covered and step.id not in covered

    def _connect(self, number: int, step: Step) -> None:
        try:
            hard = [self.index[name] for name in step.depends_on]
            if step.consumes:
                hard += [self.providers[name] for name in step.consumes]
        except KeyError:
            self.unresolved.append(number)
            hard = [self.index[name] for name in step.depends_on if name in self.index]
            hard += [self.providers[name] for name in step.consumes if name in self.providers]
        dependencies = tuple(dict.fromkeys(hard)) if len(hard) > 1 else tuple(hard)
        self.dependencies.append(dependencies)
        self.order_only.append(())
        for dependency in dependencies:
            self.dependents[dependency].append(number)

    def _order(self, number: int, step: Step) -> None:
        found: set[int] = set()
        # The child of a foreach stands in for what its foreach step does.
        covered = self._covered_names.get(step.id.partition("[")[0], ())
        for reference in references(step):
            if reference[0] == "prev" and len(reference) > 1:
                name = step_named(reference[1], self.index)
                if name is not None and name not in covered:
                    found.add(self.index[name])
        self.order_only[number] = tuple(sorted(found.difference(self.dependencies[number])))
        for other in self.order_only[number]:
            self.followers[other].append(number)

    def cycles(self) -> Iterator[tuple[str, ...]]:
        """Cycles by the ids of their steps, each waiting for the next and the last being the
        first again (`a -> b -> a`). No step is in two of them, and if there is any cycle, there
        is at least one."""
        if not self.fallback_of and len(self._in_order()) == len(self.ids):
            return
        normal = self._waits()
        for fallback, covered in self.fallback_of.items():
            normal[fallback] += tuple(covered)
        told: set[int] = set()
        for numbers in _cycles(normal):
            told.update(numbers)
            yield tuple(self.ids[number] for number in numbers)
        if not self.fallback_of:
            return
        # When a step fails, whoever waits for it waits for the fallback. The fallback's wait for
        # the step is left out here: one that covers a whole chain of steps is no cycle.
        failed = self._waits()
        for fallback, covered in self.fallback_of.items():
            for step in covered:
                if step in self.fallback_of:
                    failed[step] += (fallback,)
                for waiting in (*self.dependents[step], *self.followers[step]):
                    if waiting != fallback:  # `check_graph` tells that by itself
                        failed[waiting] += (fallback,)
        for number in told:
            failed[number] = ()
        for numbers in _cycles(failed):
            yield tuple(self.ids[number] for number in numbers)

    def waves(self) -> list[list[int]]:
        """Steps by how long a chain leads to them, for display. A fallback comes after the
        steps it covers. Steps on a cycle are left out."""
        waits = self._waits()
        for fallback, covered in self.fallback_of.items():
            waits[fallback] += tuple(covered)
        levels = [0] * len(waits)
        waves: list[list[int]] = []
        for step in _sorted(waits):
            level = max((levels[other] + 1 for other in waits[step]), default=0)
            levels[step] = level
            if level == len(waves):
                waves.append([])
            waves[level].append(step)
        for wave in waves:
            wave.sort()
        return waves

    def priorities(self, durations: Mapping[str, float] | None = None) -> list[float]:
        """By step: seconds from its start to the end of the longest chain that waits for it,
        itself included. Steps without a known duration count as the mean of the known
        ones, or 1."""
        known = durations or {}
        present = [known[name] for name in self.ids if name in known]
        usual = sum(present) / len(present) if present else 1.0
        remaining = [known.get(name, usual) for name in self.ids]
        best = [0.0] * len(remaining)
        for step in reversed(self._in_order()):
            remaining[step] += best[step]
            length = remaining[step]
            for other in self.dependencies[step]:
                best[other] = max(best[other], length)
            for other in self.order_only[step]:
                best[other] = max(best[other], length)
        return remaining

    def _in_order(self) -> list[int]:
        """Steps after those they wait for, fallbacks like any other."""
        missing = [len(a) + len(b) for a, b in zip(self.dependencies, self.order_only, strict=True)]
        followers: Sequence[Sequence[int]] = self.dependents
        if any(self.order_only):
            both = zip(self.dependents, self.followers, strict=True)
            followers = [a + b if b else a for a, b in both]
        return _drain(missing, followers)

    def _waits(self) -> list[tuple[int, ...]]:
        if not any(self.order_only):
            return list(self.dependencies)
        pairs = zip(self.dependencies, self.order_only, strict=True)
        return [hard + order if order else hard for hard, order in pairs]


def _sorted(waits: Sequence[Sequence[int]]) -> list[int]:
    """Every step after those it waits for; steps on or behind a cycle are left out."""
    followers: list[list[int]] = [[] for _ in waits]
    for step, others in enumerate(waits):
        for other in others:
            followers[other].append(step)
    return _drain(list(map(len, waits)), followers)


def _drain(missing: list[int], followers: Sequence[Sequence[int]]) -> list[int]:
    order = [step for step, count in enumerate(missing) if not count]
    for step in order:  # grows while it is read
        for follower in followers[step]:
            missing[follower] -= 1
            if not missing[follower]:
                order.append(follower)
    return order


def _cycles(waits: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    left = set(range(len(waits))).difference(_sorted(waits))
    # Whatever is left waits for something that is left: following that leads into a cycle.
    seen: dict[int, int] = {}
    for start in sorted(left):
        path: list[int] = []
        step = start
        while step not in seen:
            seen[step] = start
            path.append(step)
            step = next(other for other in waits[step] if other in left)
        if seen[step] == start:
            cycle = path[path.index(step) :]
            least = cycle.index(min(cycle))
            yield [*cycle[least:], *cycle[:least], cycle[least]]
