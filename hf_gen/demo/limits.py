"""Limits of one visitor, so that all others are still served."""

MOST_IMAGES = 16
"""In one upload."""
MOST_BYTES_OF_A_FILE = 20 * 2**20
MOST_MODELS = 8
"""Side by side."""
MOST_FACES = 36
"""Sampled at once from each model."""
MOST_DOWNLOAD = 500 * 10**6
"""Bytes of a model of the Hub."""
IN_THE_QUEUE = 128
"""Requests that wait; with more the queue is full."""
AT_ONCE = 2
"""Requests that compute at the same time."""
SESSIONS = 500
"""Visitors whose state is kept, 0.4 MB each; an API request counts as a visitor."""
FORGET_AFTER = 3600
"""Seconds after which a visitor's state and files are deleted."""
SHARE_OF_THE_MEMORY = 0.25
"""How much of the machine's memory the weights may take."""
