"""A tkinter widget that shows a source: `Viewer(parent, url).pack()`."""

from __future__ import annotations

import threading
import tkinter
from typing import Any

from . import _capture
from ._errors import Error


def photo(
    frame: _capture.Frame, master: tkinter.Misc | None = None, size: tuple[int, int] | None = None
) -> tkinter.PhotoImage:
    """What `frame.tk` gives."""
    if size is not None:
        frame = frame.resized(*size)
    head = b"P6 %d %d 255\n" % (frame.width, frame.height)
    return tkinter.PhotoImage(master=master, data=head + frame.rgb.tobytes(), format="PPM")


class Viewer(tkinter.Label):
    """Shows the newest picture of a source, or why there is none.

    Opens the source on a thread of its own, so that the window never waits. `size` is the (width, height) to scale to;
    one of them may be 0. Arguments of `headwater.open` may be given by name. `capture` is None until it is open.
    """

    #: Milliseconds between looks for a new picture.
    INTERVAL = 10

    def __init__(
        self,
        parent: tkinter.Misc | None,
        source: _capture.Source | _capture.Capture,
        size: tuple[int, int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(parent, text="opening", anchor="center")
        self.capture: _capture.Capture | None = None
        self.error: Error | None = None
        self.frame: _capture.Frame | None = None
        self._picture: tkinter.PhotoImage | None = None
        self._lock = threading.Lock()
        self._gone = False
        if isinstance(source, _capture.Capture):
            self.capture = source
        else:
            options = {"size": size, "format": "rgb24", **options}
            threading.Thread(target=self._open, args=(source, options), daemon=True).start()
        self._timer = self.after(self.INTERVAL, self._look)

    def _open(self, source: _capture.Source, options: dict) -> None:
        try:
            capture = _capture.open(source, **options)
        except Error as error:
            self.error = error
            return
        with self._lock:
            if not self._gone:
                self.capture = capture
                return
        capture.close()

    def _look(self) -> None:
        capture, error = self.capture, self.error
        try:
            # Of a recording each frame in its turn, of a live source the newest.
            frame = capture.poll() if capture is not None else None
        except Error as over:
            frame, error = None, over
        if frame is not None:
            self._show(frame)
        elif error is not None:
            if self.frame is None:
                self.configure(text=str(error), wraplength=480)
            return
        self._timer = self.after(self.INTERVAL, self._look)

    def _show(self, frame: _capture.Frame) -> None:
        picture = photo(frame, self)
        self.configure(image=picture, text="")
        # Tk does not keep it.
        self._picture, self.frame = picture, frame

    def destroy(self) -> None:
        """Closes the source and goes."""
        with self._lock:
            self._gone = True
        if self.capture is not None:
            self.capture.close()
        self.after_cancel(self._timer)
        super().destroy()
