"""The training loop, its state, checkpoints, logged metrics, signals, compilation and memory."""
