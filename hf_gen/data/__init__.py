"""From a dataset, wherever it lies, to batches of pixels."""
