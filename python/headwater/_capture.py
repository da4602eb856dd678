"""The native face: `open`, `probe`, `wait_any`, and captures."""

from __future__ import annotations

import numbers
import operator
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from . import _headwater, _log
from ._errors import Ended, Error
from ._headwater import Frame, Info
from ._reconnect import Reconnect
from ._sources import Source, resolve
from ._state import State, call, watch

Format = Literal["bgr24", "rgb24", "bgra", "rgba", "gray8", "luma8", "yuv420p", "jpeg"]
Auto = bool | Literal["auto"]

#: Seconds after which `aopen` looks whether the first frame has come.
_LOOK = 0.005


class Capture(_headwater.Capture):
    """An open source. Any thread may read it, any thread may close it.

    Made by `headwater.open`. Iterating gives frame after frame up to the end of the source; `async for`
    does the same in an event loop. Where a lost source is opened again, both wait for that, however long.
    """

    _kept: Any = None
    #: What the user knows the source as, where that is not its URL.
    _name: str | None = None

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        try:
            return self.read(timeout=None) if self.reopens else self.read()
        except Ended:
            raise StopIteration from None

    def __len__(self) -> int:
        """Frames of a recording, as its container tells or by its length and rate."""
        frames = self.info.frames
        if frames is None:
            raise TypeError(f"{self.url}: the number of frames is not known")
        return frames

    def __bool__(self) -> bool:
        return True

    def seek(self, to: int | float | timedelta) -> None:
        """Goes to a place of a recording: the next frame read is exactly that one.

        An `int` is a frame's number from 0, a `float` or a `timedelta` a time in seconds after the first frame.
        """
        if isinstance(to, timedelta):
            to = to.total_seconds()
        if isinstance(to, numbers.Real) and not isinstance(to, numbers.Integral):
            self.seek_time(float(to))
        else:
            number = operator.index(to)  # type: ignore[arg-type]
            if number < 0:
                raise ValueError(f"seek: {number}; expected the number of a frame, from 0")
            self.seek_frame(min(number, (1 << 64) - 1))

    async def aread(self, timeout: float | None = ...) -> Frame:  # type: ignore[assignment]
        """`read` in an event loop: waits without a thread."""
        if timeout is ...:
            timeout = self.timeout
        began = time.monotonic()
        while True:
            frame = self.poll()
            if frame is not None:
                return frame
            left = None if timeout is None else timeout - (time.monotonic() - began)
            if left is not None and left <= 0:
                raise self.timed_out(time.monotonic() - began)
            await self._changed(left)

    async def _changed(self, timeout: float | None) -> None:
        import asyncio

        loop, waker = asyncio.get_running_loop(), self.waker()
        waiting = self.__dict__.setdefault("_waiting", [])
        future = loop.create_future()
        waiting.append(future)

        def wake() -> None:
            waker.clear()
            for other in waiting:
                if not other.done():
                    other.set_result(None)

        # One descriptor has one callback: the newest one wakes all who wait.
        loop.add_reader(waker.fileno(), wake)
        try:
            # What came before the descriptor was watched is not told again.
            if not self.ready:
                await asyncio.wait_for(future, timeout)
        except TimeoutError:
            pass
        finally:
            waiting.remove(future)
            if not waiting:
                loop.remove_reader(waker.fileno())

    async def __aenter__(self) -> Capture:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    async def __anext__(self) -> Frame:
        try:
            return await (self.aread(None) if self.reopens else self.aread())
        except Ended:
            raise StopAsyncIteration from None


def open(
    source: Source,
    /,
    *,
    user: str | None = None,
    password: str | None = None,
    timeout: float | tuple[float | None, float | None] | None = 10.0,
    reconnect: Auto | Reconnect = "auto",
    latest: Auto = "auto",
    buffer: int | None = None,
    format: Format = "bgr24",
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    every: int | float | None = None,
    skip: Literal["none", "nonref", "nonkey"] = "none",
    corrupt: Literal["keep", "drop"] = "keep",
    transport: Literal["auto", "tcp", "udp", "http"] = "auto",
    stream: int | None = None,
    threads: int | None = None,
    low_delay: Auto = "auto",
    rotate: bool = True,
    real_time: bool = False,
    wait: bool = True,
    headers: Mapping[str, str] | None = None,
    user_agent: str | None = None,
    tls_verify: bool | str | os.PathLike[str] = True,
    proxy: str | None = None,
    poll: float | None = None,
    options: Mapping[str, str] | None = None,
    allow_exec: bool = False,
    redirects_inside: bool = False,
    on_state: Callable[[State], Any] | None = None,
) -> Capture:
    """Opens a source and waits for its first frame, which the first `read` then gives.

    >>> import headwater
    >>> with headwater.open("pattern:?size=320x240") as cap:
    ...     frame = cap.read()
    >>> frame.bgr.shape
    (240, 320, 3)

    `source` is a URL, a path, the number of a camera of this machine, the bytes of a recording, or a file opened for
    reading bytes: one of the system is read from its begin and where it lies, any other to its end first. `timeout` is in seconds, over everything up to
    the first frame and for each gap between frames, or a pair of the two; None waits for ever. Iterating waits for longer
    while a lost source is opened again. `latest` gives
    the newest frame and leaves older ones out; `reconnect` opens a lost source again: both are on for live sources and
    off for recordings. `size` scales, one side may be 0 to follow the other; `crop` is (left, top, width, height) before
    that. `every` is every how many frames (int) or at most how many a second (float). `skip` leaves frames out
    undecoded. `headers` and `user_agent` go into HTTP requests; `proxy` is a URL, or "none"; `poll` is the least time from
    one request for a single picture to the next. `tls_verify` is True for the system's authorities, the path of a PEM file
    for those in it, "sha256:..." for the one certificate of that fingerprint, or False. `options` are libavformat's.
    `allow_exec` lets the source be a program, `exec:PROGRAM ARGUMENTS`; `redirects_inside` lets a server of the internet
    send on to a network at home.
    With `wait=False` it does not wait and, where the source cannot be opened now, goes on trying. `reconnect` may be a
    `Reconnect`. `stream` is which video track of several, from 0, of a file or of what libavformat reads. `on_state` is
    called with each state that the capture comes to, all but the first of them on a thread of its own; what it raises is
    logged.

    Raises a member of `headwater.Error`, each of which is also the builtin that one would catch.
    """
    _log.start()
    url, kept, name = resolve(source, user, password)
    given = dict(
        timeout=timeout,
        reconnect=reconnect,
        latest=latest,
        buffer=buffer,
        format=format,
        size=size,
        crop=crop,
        every=every,
        skip=skip,
        corrupt=corrupt,
        transport=transport,
        stream=stream,
        threads=threads,
        low_delay=low_delay,
        rotate=rotate,
        real_time=real_time,
        wait=wait,
        headers=dict(headers) if headers else None,
        user_agent=user_agent,
        tls_verify=tls_verify,
        proxy=proxy,
        poll=poll,
        options=dict(options) if options else None,
        allow_exec=allow_exec,
        redirects_inside=redirects_inside,
    )
    # Here, and not with the first picture: where a program ends while one of its threads imports, CPython
    # before 3.14 unwinds the thread's stack, which must not lead through Rust.
    import numpy  # noqa: F401

    if on_state is not None:
        if not callable(on_state):
            raise TypeError(f"on_state: expected a function, found {type(on_state).__name__}")
        call(on_state, "connecting")
    try:
        capture = Capture(url, **given)
    except Error as error:
        if on_state is not None:
            call(on_state, "closed")
        if kept is not None:
            _rename(error, url, name)
        raise
    # As long as it is open it may be opened once more, to look for frames.
    capture._kept, capture._name = kept, name if kept is not None else None
    if on_state is not None:
        watch(capture, on_state)
    return capture


def _rename(error: Error, url: str, name: str) -> None:
    """The number of a descriptor tells nobody anything."""
    error.args, error.url = (str(error).replace(url, name),), name


async def aopen(source: Source, /, **options) -> Capture:
    """`open` in an event loop, with the same arguments. Whoever cancels it closes the source."""
    import asyncio

    if not options.get("wait", True):
        return open(source, **options)
    # A source that is a file may have to be read first, which waits. Nothing else does.
    capture = await asyncio.to_thread(open, source, **{**options, "wait": "elsewhere"})
    try:
        while not capture.opened():
            await asyncio.sleep(_LOOK)
    except BaseException as error:
        capture.close()
        if isinstance(error, Error) and capture._name is not None:
            _rename(error, capture.url, capture._name)
        raise
    return capture


def wait_opened(capture: Capture, timeout: float | None) -> None:
    """Waits for the first frame of one that was opened with `wait="elsewhere"`; closes it if there is none."""
    try:
        capture.wait_opened(timeout)
    except BaseException as error:
        capture.close()
        if isinstance(error, Error) and capture._name is not None:
            _rename(error, capture.url, capture._name)
        raise


def probe(source: Source, /, **options) -> Info:
    """Opens a source, waits for its first frame, and tells what it is.

    >>> import headwater
    >>> headwater.probe("pattern:?size=320x240").width
    320
    """
    with open(source, **options) as capture:
        return capture.info


def wait_any(captures: Sequence[Capture], timeout: float | None = None) -> list[tuple[Capture, Frame]]:
    """Waits until at least one of `captures` has a new frame; gives all that have one, each with its frame.

    Those that have ended, failed or were closed are passed over (`capture.state` tells). The list is empty when
    none is left, or when `timeout` seconds are over.

    >>> import headwater
    >>> caps = [headwater.open("pattern:?size=160x64&fps=30") for _ in range(2)]
    >>> all(frame.width == 160 for cap, frame in headwater.wait_any(caps, timeout=10))
    True
    """
    if isinstance(captures, _headwater.Capture):
        # It can be iterated, too: that would be all of its frames.
        raise TypeError("wait_any: expected a list of captures, found one capture")
    deadline = None if timeout is None else time.monotonic() + timeout
    captures = list(captures)
    while captures:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        found, over = [], []
        for place in _headwater.ready(captures, left):
            try:
                frame = captures[place].poll()
            except Error:
                over.append(captures[place])
            else:
                if frame is not None:
                    found.append((captures[place], frame))
        if found or (deadline is not None and time.monotonic() >= deadline):
            return found
        captures = [capture for capture in captures if capture not in over]
    return []
