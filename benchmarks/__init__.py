"""What Stoker costs, beside its peers and the floors beneath it: `python -m benchmarks`."""
