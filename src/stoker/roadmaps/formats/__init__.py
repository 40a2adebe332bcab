"""Readers of plan files, a file each. A new one is a module here that has a `FORMAT`, or an entry
point in the group `stoker.roadmap_formats` that names one; nothing else is edited."""
