"""What the model can call, a file for each group."""
