"""Limits of one visitor, so that all others are still served."""

MAX_IMAGES = 16
"""In one upload."""
MAX_FILE_BYTES = 20 * 2**20
MAX_MODELS = 8
"""Side by side."""
MAX_FACES = 36
"""Sampled at once from each model."""
MAX_DOWNLOAD_BYTES = 500 * 10**6
"""Bytes of a model of the Hub."""
MAX_QUEUE_SIZE = 128
"""Requests that wait; with more the queue is full."""
CONCURRENCY_LIMIT = 2
"""Requests that compute at the same time."""
MAX_SESSIONS = 500
"""Visitors whose state is kept, 0.4 MB each; an API request counts as a visitor."""
SESSION_SECONDS = 3600
"""Seconds after which a visitor's state and files are deleted."""
MEMORY_FRACTION = 0.25
"""How much of the memory of the machine, or of its container, the weights may take."""
RETRY_SECONDS = 60
"""After which a model that could not be loaded is tried again, at the next visit."""
