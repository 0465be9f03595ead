"""The landing zone: what the names in it mean, which files are there, and their bytes. Knows no engine."""
