"""What is wrong with a day's tables, told from their manifests and small tables alone. Knows no Dagster.

One module a subject. Each function looks at one day and returns a :class:`~ctr_assets.quality.finding.Finding`;
which of them are checks of which asset, and what each of them stops, is said in ``ctr_assets.defs.checks``.
"""
