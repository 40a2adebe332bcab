#!/usr/bin/env python3
"""`merge.py PHASE`: one phase of the plan `plan.yaml`, told what to do by the environment.

`merge.py restore REPOSITORY REMOTE TARGET RUN` is for people: it undoes the merge of a run.
"""

from __future__ import annotations

import sys

from safe_merge.phases import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
