"""What came of a group's execution, for people, models and programs to read: pure functions over
frames and jobs. All of it may be hostile: what is read is bounded, and nothing raises over it."""
