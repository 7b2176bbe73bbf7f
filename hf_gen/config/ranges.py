"""Types of fields that say which values are in range, and the check of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_type_hints

from hf_gen.errors import UserError


@dataclass(frozen=True)
class _Range:
    rule: str
    holds: Callable[[Any], bool]


_NOT_NEGATIVE = _Range("zero or a positive number", lambda value: 0 <= value < math.inf)

Count = Annotated[int, _Range("at least 1", lambda value: value >= 1)]
CountOrZero = Annotated[int, _NOT_NEGATIVE]
Counts = Annotated[
    tuple[int, ...],
    _Range("one or more numbers of at least 1", lambda values: values and min(values) >= 1),
]
Resolution = Annotated[int, _Range("at least 8", lambda value: value >= 8)]
Positive = Annotated[float, _Range("a positive number", lambda value: 0 < value < math.inf)]
NotNegative = Annotated[float, _NOT_NEGATIVE]
Decay = Annotated[
    float, _Range("at least 0 and less than 1, such as 0.9", lambda value: 0 <= value < 1)
]
Share = Annotated[float, _Range("more than 0 and less than 1", lambda value: 0 < value < 1)]


def check_ranges(instance: Any) -> None:
    """Raises UserError if a field of a dataclass is out of the range that its type says."""
    for name, required in _ranges(instance.__class__):
        value = getattr(instance, name)
        if value is not None and not required.holds(value):
            raise UserError(f"{name} must be {required.rule}, got {value}")


@cache
def _ranges(kind: type) -> list[tuple[str, _Range]]:
    return [
        (name, required)
        for name, hint in get_type_hints(kind, include_extras=True).items()
        for part in (hint, *get_args(hint))  # itself, or what may be None instead
        for required in getattr(part, "__metadata__", ())
    ]
