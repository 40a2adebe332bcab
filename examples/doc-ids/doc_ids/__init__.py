"""Ids of Markdown documents: found, traced through git history, restored."""
