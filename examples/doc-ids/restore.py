#!/usr/bin/env python3
"""`restore.py PHASE`: one phase of the plan `plan.yaml`, told what to do by the environment."""

from __future__ import annotations

import sys

from doc_ids.phases import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
