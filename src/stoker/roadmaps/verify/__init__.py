"""Whether a task's work is what it claims to be: a commit held against the one it began from.

`verification.verify` writes the commit into a fresh directory, with the tests and the
configuration of their runners as they were, runs what the project itself is verified by in
a sandbox, compares with the same at the base, and says what it found as `Evidence`.
"""
