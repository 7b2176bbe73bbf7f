"""What becomes of freed memory: a training keeps it, and a server hands it back.

By default glibc hands every large buffer back to the system when it is freed, and the system clears
each page when it is wanted again: a training step on a CPU can spend a third of its time on that.
And up to eight threads a core have memory of their own, where each keeps what it once took at most:
a server with many visitors grows for minutes.

Source: mallopt(3), and the sections on M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD therein.
"""

import ctypes
import os

# The numbers are those of malloc.h. An older glibc refuses thresholds above 32 MiB.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
_Wishes = tuple[tuple[int, tuple[int, ...]], ...]
_KEEP: _Wishes = (
    (_MMAP_THRESHOLD, (1 << 30, 32 << 20)),
    (_TRIM_THRESHOLD, ((1 << 31) - 1,)),
    (_TOP_PAD, (64 << 20,)),
)
_HAND_BACK: _Wishes = (
    (_ARENA_MAX, (2,)),
    (_MMAP_THRESHOLD, (1 << 20,)),
    (_TRIM_THRESHOLD, (16 << 20,)),
)


def keep_freed_memory() -> bool:
    """Tells the C library so, for the whole process; what it uses at its peak stays the same.

    Somebody's own `MALLOC_` variables are left to rule.

    Returns:
        Whether it was told: there is something to tell in glibc only, which is Linux.
    """
    return _tell(_KEEP)


def hand_freed_memory_back() -> bool:
    """Tells the C library so; see `keep_freed_memory`, which says the contrary."""
    return _tell(_HAND_BACK)


def _tell(wishes: _Wishes) -> bool:
    if any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return all(any(mallopt(option, value) for value in values) for option, values in wishes)
