"""What is remembered: by a run of its tasks, by a project of its runs, and what failures taught.

`outcome` is one try at a task, as the journal records it; everything else follows from
outcomes by pure functions. Nothing here asks a model.
"""
