"""A test gate: checks run and recorded, coverage read, a report written."""
