"""Wide & Deep in PyTorch: model, data loading, training loop, distributed, checkpoints, scoring.

Importing this package or its ``config`` imports no torch: Dagster's code reads the configuration without it.

Where a reader could lose the thread, the name of an array says what its numbers count, and ends in the letters of its
axes: ``slot_BF`` holds a slot for each row of the batch and each feature.

* B: rows of a batch.
* F: features, of a table or of the whole layout.
* V: values of a batch, B·F of them: feature by feature, those of a feature sorted by id.
* U: distinct rows of a table that a batch reads, ascending.
* R: rows of a table, for each of its features one for unknown and one for every id.
* D: numbers of a row, which is the length of an embedding, and 1 for wide weights.
* H: units of the first dense layer.
"""
