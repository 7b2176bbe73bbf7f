"""From a dataset, wherever it is, to batches of pixels."""
