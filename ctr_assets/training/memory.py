"""What the process does with memory that a step frees: keep it, since the next step asks for as much again.

By itself glibc gives pieces of many megabytes back to the system at once. Each page of the next piece is then a fault,
and zeroed: 3,800 faults a step with the default preset, none once memory is kept.
"""

import ctypes
from typing import Final

KEPT_BYTES: Final = 1 << 30
"""Most freed memory that is kept; a piece larger than this, as a table may be, is given back."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Tell glibc. Another C library goes on as before."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, KEPT_BYTES)
