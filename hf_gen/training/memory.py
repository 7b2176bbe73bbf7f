"""The C library's allocator: training and evaluation keep freed memory, a server returns it.

By default glibc returns every large buffer to the system when it is freed, and the system clears
each page when it is requested again: a training step on a CPU can spend a third of its time on
that. Up to eight threads a core also have arenas of their own, each of which keeps its peak.

Source: mallopt(3), M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.
"""

import ctypes
import os

# The numbers are those of malloc.h. An older glibc refuses thresholds above 32 MiB.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
_Options = tuple[tuple[int, tuple[int, ...]], ...]
_KEEP: _Options = (
    (_MMAP_THRESHOLD, (1 << 30, 32 << 20)),
    (_TRIM_THRESHOLD, ((1 << 31) - 1,)),
    (_TOP_PAD, (64 << 20,)),
)
_RETURN: _Options = (
    (_ARENA_MAX, (2,)),
    (_MMAP_THRESHOLD, (1 << 20,)),
    (_TRIM_THRESHOLD, (16 << 20,)),
)


def keep_freed_memory() -> bool:
    """Keeps freed memory within the process; its peak stays the same.

    Existing `MALLOC_` environment variables take precedence.

    Returns:
        Whether the allocator took the options: only glibc, on Linux, has them.
    """
    return _mallopt(_KEEP)


def return_freed_memory() -> bool:
    """Returns freed memory to the system early; the opposite of `keep_freed_memory`."""
    return _mallopt(_RETURN)


def _mallopt(options: _Options) -> bool:
    if any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return all(any(mallopt(option, value) for value in values) for option, values in options)
