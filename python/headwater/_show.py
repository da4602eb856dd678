"""`headwater.show`: a source in a window."""

from __future__ import annotations

import os
from typing import Any

from . import _capture, _headwater, _log, _sources


def show(
    source: _capture.Source | _capture.Capture,
    /,
    *,
    name: str | None = None,
    fullscreen: bool = False,
    facts: bool = False,
    snapshots: str | os.PathLike[str] = ".",
    seconds: float | None = None,
    **options: Any,
) -> None:
    """Shows a source in a window until `q`, Esc or its button closes it, or `seconds` are over.

    Further keys: `f` full screen, `s` saves a picture to the folder `snapshots`, `i` shows facts, as `facts=True` does
    from the start. A URL is opened, tried again as long as the window is there, and closed with it; recordings play in
    real time. Of an open `Capture` the window takes the frames from now on, and leaves it open.

    Windows can be opened by one thread of a program only, whichever it is. Raises `headwater.Unsupported` where there
    is no display.
    """
    if isinstance(source, _capture.Capture):
        if options:
            raise TypeError("show: an open capture takes no options")
        _run(source, name, fullscreen, facts, snapshots, seconds)
        return
    # The window tells what keeps it waiting; of a file that is not there an exception does.
    url = _sources.resolve(source).url
    waits = "://" not in url and not url.startswith("pattern:")
    options = {"real_time": True, "reconnect": not waits, "wait": waits, **options}
    _log.start()
    with _capture.open(source, **options) as capture:
        _run(capture, name, fullscreen, facts, snapshots, seconds)


def _run(capture: _capture.Capture, name: str | None, *arguments: Any) -> None:
    _headwater.show(capture, name or os.path.basename(capture.url.rstrip("/")) or capture.url, *arguments)
