"""The HTTP surface of the engine: `stoker serve`.

One process owns one `Engine`, and the journal is what everything is read from, so runs of other
processes are seen and steered as well. Only `stoker serve` imports this package: it needs the
extra `server`.

A resource is one module in `resources`, found by being there: the handlers it makes are
added to the app.
"""
