"""What the Rust side logs goes to `logging.getLogger("headwater")`, from a thread of its own."""

from __future__ import annotations

import logging
import os
import threading

from . import _headwater

logger = logging.getLogger("headwater")
# Without this, Python prints warnings of libraries to stderr where nobody has set up logging.
logger.addHandler(logging.NullHandler())

_started: int | None = None
_lock = threading.Lock()


def _forked() -> None:
    global _lock
    # Another thread may have had the old one.
    _lock = threading.Lock()
    _headwater.after_fork(True)


os.register_at_fork(
    before=_headwater.before_fork, after_in_parent=lambda: _headwater.after_fork(False), after_in_child=_forked
)


def start() -> None:
    """Takes records from now on. A forked child has to start anew."""
    global _started
    _headwater.set_level(min(logger.getEffectiveLevel(), 255))
    with _lock:
        if _started != os.getpid():
            _started = os.getpid()
            threading.Thread(target=_run, name="headwater log", daemon=True).start()


def _run() -> None:
    while True:
        for level, target, text in _headwater.records(1.0):
            log = logger.getChild(target)
            if log.isEnabledFor(level):
                log.log(level, "%s", text)
        _headwater.set_level(min(logger.getEffectiveLevel(), 255))
