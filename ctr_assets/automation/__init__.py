"""What to run, and why: pure decisions over the landing zone and the manifests. Knows no Dagster and no engine."""
