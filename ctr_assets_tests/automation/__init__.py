"""What is run, and why: the pure decisions."""
