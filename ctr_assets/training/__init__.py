"""Wide & Deep in PyTorch: model, data loading, training loop, distributed, checkpoints, scoring.

Importing this package or its ``config`` imports no torch: Dagster's code reads the configuration without it.
"""
