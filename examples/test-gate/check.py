#!/usr/bin/env python3
"""`check.py PHASE ...`: one step of the plan `plan.yaml`."""

from __future__ import annotations

import sys

from gate.phases import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
