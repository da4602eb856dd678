"""Telling a program what becomes of a capture: `on_state`."""

from __future__ import annotations

import select
import threading
import weakref
from collections.abc import Callable
from typing import Any, Literal

from . import _log

State = Literal["connecting", "open", "stalled", "reconnecting", "ended", "closed"]

#: Milliseconds after which a state is looked at that changes by nothing but time, as "stalled".
_LOOK_MS = 250


def call(callback: Callable[[State], Any], state: State) -> None:
    """Calls back; what that raises is logged."""
    try:
        callback(state)
    except Exception:
        _log.logger.exception("on_state(%r) failed", state)


def watch(capture: Any, callback: Callable[[State], Any]) -> None:
    """Calls `callback` with each state that `capture` comes to, up to "closed", on a thread of its own."""
    arguments = (weakref.ref(capture), capture.new_waker(), callback)
    threading.Thread(target=_run, args=arguments, name="headwater state", daemon=True).start()


def _run(capture: weakref.ref, waker: Any, callback: Callable[[State], Any]) -> None:
    told: State = "connecting"
    # Not select, which knows the first 1,024 descriptors only.
    poll = select.poll()
    poll.register(waker.fileno(), select.POLLIN)
    while told != "closed":
        waker.clear()
        # The thread does not keep the capture: one that nobody has any more is closed.
        there = capture()
        state: State = there.state if there is not None else "closed"
        del there
        if state != told:
            told = state
            call(callback, state)
        else:
            poll.poll(_LOOK_MS)
