"""When and how often a lost source is opened again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reconnect:
    """How a lost source is opened again: `headwater.open(url, reconnect=headwater.Reconnect(attempts=5))`.

    >>> Reconnect(first=1, max=60).factor
    2.0
    """

    #: Seconds before the first attempt.
    first: float = 0.5
    #: The longest wait in seconds.
    max: float = 10.0
    #: How much longer each wait is than the one before.
    factor: float = 2.0
    #: Up to this part of a wait is taken off at random, so that many cameras do not come back in step.
    jitter: float = 0.2
    #: Attempts that may fail in a row before it is given up; None for any number.
    attempts: int | None = None
    #: What it is opened again after: "eof" (the other side ended it), "stall" (a time-out), "error" (all else).
    on: Iterable[str] = ("eof", "stall", "error")

    def __post_init__(self) -> None:
        on = (self.on,) if isinstance(self.on, str) else tuple(self.on)
        object.__setattr__(self, "on", on)
        if unknown := set(on) - {"eof", "stall", "error"}:
            raise ValueError(f"on={sorted(unknown)}: expected of eof, stall, error")
        if not (0 <= self.first and 0 <= self.max and 1 <= self.factor and 0 <= self.jitter <= 1):
            raise ValueError("expected first and max of 0 or more, factor of 1 or more, jitter from 0 to 1")
        if self.attempts is not None and self.attempts < 0:
            raise ValueError("attempts: expected 0 or more, or None for any number")
