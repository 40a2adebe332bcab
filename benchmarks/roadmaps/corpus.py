"""The tasks of the benchmark: twelve in Python, eight in JavaScript, of five levels."""

from __future__ import annotations

from benchmarks.roadmaps import corpus_javascript, corpus_python

ITEMS = corpus_python.ITEMS + corpus_javascript.ITEMS
