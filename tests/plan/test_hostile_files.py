"""Plan files made to break their reader, through the real command within bounds."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

MEMORY = 1024**3
SECONDS = 120


def plan(**step: Any) -> str:
    return json.dumps({"plan_id": "p", "steps": [{"id": "a", "run": "x"} | step]})


def laughs() -> str:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    return "\n".join(lines)


FILES: dict[str, str | bytes] = {
    "brackets.json": "[" * 3_000_000,
    "braces.json": '{"a":' * 1_000_000,
    "dashes.yaml": "- " * 1_000_000,
    "flow.yaml": "{a: " * 300_000,
    "laughs.yaml": laughs(),
    "cyclic.yaml": "plan_id: p\nsteps: &s\n  - *s\n",
    "text.yaml": "a: &a '" + "x" * 5_000_000 + "'\nb: [" + "*a, " * 1_000 + "]",
    "merges.yaml": "k0: &k0 {a: 1}\n"
    + "".join(f"k{n}: &k{n} {{<<: [{f'*k{n - 1}, ' * 9}], z{n}: 1}}\n" for n in range(1, 20)),
    "number.json": '{"plan_id": ' + "9" * 5_000_000 + "}",
    "number.yaml": "plan_id: 0x" + "f" * 5_000_000,
    "tag.yaml": "plan_id: !!python/object/apply:os.system [echo]",
    "binary.yaml": bytes(range(256)) * 1_000,
    "cut.json": plan()[:-3],
    "lines.yaml": "\n" * 5_000_000 + "a",
    "fields.json": json.dumps({f"f{n}": 1 for n in range(10_000)}),
    "key.json": json.dumps({"x" * 5_000_000: 1}),
    "cycle.json": json.dumps(
        {
            "plan_id": "p",
            "steps": [
                {"id": f"s{n}", "run": "x", "depends_on": [f"s{(n + 1) % 20_000}"]}
                for n in range(20_000)
            ],
        }
    ),
    "unknown.json": json.dumps(
        {
            "plan_id": "p",
            "steps": [
                {"id": f"step{n}", "run": "x", "depends_on": [f"stpe{n}"]} for n in range(20_000)
            ],
        }
    ),
    "parentheses.json": plan(condition="(" * 500_000),
    "templates.json": plan(run="${{ '" * 200_000),
    "variables.json": plan(command="${X}" * 200_000, run=None),
    "grid.json": plan(matrix={f"a{n}": list(range(100)) for n in range(100)}),
    "terminal.json": json.dumps({"plan_id": "\x1b[2J", "x\x1b[31m": 1}),
}


def test_each_is_refused_in_bounded_time_and_memory(tmp_path: Path) -> None:
    for name, content in FILES.items():
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "stoker", "validate", "--json", *FILES],
        cwd=tmp_path,
        capture_output=True,
        timeout=SECONDS,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert (done.returncode, done.stderr) == (2, b"")
    found = {file["file"]: file for file in json.loads(done.stdout)}
    assert found.keys() == FILES.keys()
    assert [name for name, file in found.items() if file["ok"] or not file["problems"]] == []
    for file in found.values():
        for problem in file["problems"]:
            assert len(problem["message"]) < 1_000
            assert problem["message"].isprintable()
