"""The helpers of the plan `safe-merge`: a file for each noun, a phase for each step.

Everything a run keeps is in the clone's git directory: `refs/stoker/backup/RUN/` (what was
there before), `refs/stoker/merges/RUN/` (what is being made) and `stoker/merges/RUN/`
(files). The user's branches, index, stash and work tree are not touched before the merge is
on the remote.
"""
