"""The roadmaps door: plan files completed by coding agents, verified.

A reader of `formats` turns a plan file into one `document.Roadmap`; nothing after it knows
formats. From there on a roadmap is a plan of the engine: each task an agent at work in a
worktree of its own, verified, committed, and ticked in the file it came from.
"""
