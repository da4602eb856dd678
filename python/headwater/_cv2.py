"""The face of `cv2.VideoCapture`: False where it gives False, the same numbers, the same pixels."""

from __future__ import annotations

import operator
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from . import _capture, _headwater, _v4l2
from . import _constants as c
from ._codecs import CODECS, PIXEL_FORMATS, THREADED
from ._errors import BadOption, CaptureClosed, Error, Unsupported
from ._log import logger

#: What `retrieve` takes as `flag` for the codec's extradata: `CAP_PROP_CODEC_EXTRADATA_INDEX`.
_EXTRADATA = 1


#: Parameters of `open` that are taken and have no effect.
_IDLE = (c.CAP_PROP_HW_ACCELERATION, c.CAP_PROP_HW_DEVICE, c.CAP_PROP_HW_ACCELERATION_USE_OPENCL)

#: The longest side that pictures can be scaled to.
_MOST_SIDE = 8192


_RELEASED = "the capture was released while it was opened"


def _row(data: bytes):
    """An array of one row, its own memory: how OpenCV gives bytes."""
    import numpy

    return numpy.frombuffer(bytearray(data), numpy.uint8).reshape(1, -1)


def _wrong(kind: type[Exception], text: str) -> Exception:
    """Of an argument: `kind`, which `except cv2.error` catches as well where OpenCV is there."""
    cv2 = sys.modules.get("cv2")
    if cv2 is None:
        return kind(text)
    return type(kind.__name__, (kind, cv2.error), {"__module__": kind.__module__})(text)


def _check(image) -> None:
    """What OpenCV takes as an array to write into, if its size is right: pixels of a row side by side."""
    if image is None:
        return
    import numpy

    if not isinstance(image, numpy.ndarray):
        raise _wrong(TypeError, f"image: expected an array, found {type(image).__name__}")
    step = image.itemsize
    for side, stride in reversed(list(zip(image.shape[1:], image.strides[1:]))):
        if stride != step:
            raise _wrong(ValueError, "image: expected an array whose pixels lie side by side in each row")
        step *= side
    if not image.flags.writeable:
        raise _wrong(ValueError, "image: expected an array that can be written to")


def _number_of(value: float) -> int:
    """A frame's number, cut off as OpenCV does."""
    return int(min(max(value, 0), 1 << 53)) if value == value else 0


def _seconds(milliseconds: float) -> float | None:
    """Of a time-out: 0 is none, as in OpenCV."""
    return milliseconds / 1000 or None


def _is_pipeline(source: str, back_end: int) -> bool:
    """Whether it is meant for GStreamer: said so, or elements with " ! " between them and no URL or file of that name."""
    if " ! " not in source:
        return False
    return back_end == c.CAP_GSTREAMER or ("://" not in source.partition(" ")[0] and not os.path.exists(source))


def _strict() -> bool:
    """Whether OpenCV's behaviour is wanted where it does harm, too."""
    compat = sys.modules.get("headwater.cv2compat")
    return bool(compat is not None and compat.strict)


def _for_opencv(error: Error) -> Error:
    """The same error, one that `except cv2.error` catches as well where OpenCV is there."""
    cv2 = sys.modules.get("cv2")
    if cv2 is None or isinstance(error, cv2.error):
        return error
    kind = type(error)
    both = _BOTH.setdefault(kind, type(kind.__name__, (kind, cv2.error), {"__module__": kind.__module__}))
    facts = {name: getattr(error, name) for name in ("url", "phase", "elapsed", "hint", "status")}
    return both(str(error), **facts)


_BOTH: dict[type[Error], type] = {}


def _fourcc(text: str) -> int:
    return int.from_bytes(text.encode()[:4].ljust(4, b"\0"), "little")


class VideoCapture:
    """Used as `cv2.VideoCapture` is. Arguments of `headwater.open` may be given by name.

    >>> import headwater
    >>> cap = headwater.VideoCapture("pattern:?size=320x240")
    >>> ok, frame = cap.read()
    >>> ok, frame.shape
    (True, (240, 320, 3))
    >>> cap.get(3)
    320.0
    >>> cap
    <headwater.VideoCapture 'pattern:?size=320x240', open>

    Other than in OpenCV: after a failed open or read, `error` says why; live sources give their newest frame
    (`latest=False` turns that off); opening and each wait for a frame end after 10 s; any thread may call anything.
    """

    #: Why the last `open` or `read` failed.
    error: Error | None

    def __init__(
        self,
        filename: _capture.Source | None = None,
        apiPreference: int = c.CAP_ANY,
        params: Sequence[int] = (),
        *,
        index: int | None = None,
        **options,
    ) -> None:
        self._capture: _capture.Capture | None = None
        #: What `open` waits for, or a sign that it is about to; None where nothing is being opened.
        self._opening: object = None
        self._grabbed: _headwater.Frame | None = None
        self._taken = False
        self._before: _headwater.Frame | None = None
        #: A place was sought, and nothing read since.
        self._sought = False
        self._opened_us = 0
        self._raises = False
        self._options = options
        self._timeouts: dict[int, float | None] = {}
        self._source: _capture.Source = ""
        self._opened_with: dict = {}
        #: Of what other threads may exchange.
        self._lock = threading.Lock()
        #: Wishes of `set`: size, frames a second, pixels as they are, packets.
        self._size = (0, 0)
        self._rate: float | None = None
        self._due: float | None = None
        self._converts = True
        self._packets = False
        self.error = None
        if filename is not None or index is not None:
            self.open(filename, apiPreference, params, index=index)

    def open(
        self,
        filename: _capture.Source | None = None,
        apiPreference: int = c.CAP_ANY,
        params: Sequence[int] = (),
        *,
        index: int | None = None,
        **options,
    ) -> bool:
        """Whether the source was opened; `error` says why not. OpenCV has `index` as another name of `filename`."""
        source = index if filename is None else filename
        if source is None or None not in (filename, index):
            raise _wrong(TypeError, "open: expected either filename or index")
        self.release()
        self.error, self._before, self._sought = None, None, False
        options = {"reconnect": False, **_environment(), **self._options, **options}
        self._size, self._rate, self._due, self._converts, self._packets = (0, 0), None, None, True, False
        if _strict():
            options = {"latest": False, **options}
        try:
            if isinstance(filename, str) and _is_pipeline(filename, apiPreference):
                raise Unsupported("a pipeline of GStreamer: expected the URL that is in it, and nothing else")
            self._take_params(list(params), options, source)
            capture = self._begin(source, options)
            with self._lock:
                if self._opening is not capture:
                    capture.close()
                    raise CaptureClosed(_RELEASED, url=capture.url)
                self._capture, self._opening = capture, None
            self._source, self._opened_with = source, options
        except Error as error:
            return self._failed(error)
        except TypeError as error:
            raise _wrong(TypeError, str(error)) from None
        self._opened_us = time.time_ns() // 1000
        return True

    def _begin(self, source: _capture.Source, options: dict) -> _capture.Capture:
        """Opens a source so that `release` of another thread ends the wait."""
        turn = self._opening = object()
        wait = options.get("wait", True)
        capture = _capture.open(source, **{**options, "wait": "elsewhere" if wait is True else wait})
        with self._lock:
            released = self._opening is not turn
            if not released:
                self._opening = capture
        if released:
            capture.close()
            raise CaptureClosed(_RELEASED, url=capture.url)
        if wait is True:
            try:
                _capture.wait_opened(capture, options["timeout"][0])
            except BaseException as error:
                with self._lock:
                    released = self._opening is not capture
                    self._opening = self._opening if released else None
                if released and isinstance(error, Error):
                    raise CaptureClosed(_RELEASED, url=capture.url) from None
                raise
        return capture

    def _take_params(self, params: list[int], options: dict, source: _capture.Source) -> None:
        if len(params) % 2:
            raise _wrong(ValueError, "params: expected pairs of a property and its value")
        camera = isinstance(source, int) or (isinstance(source, str) and _v4l2.path_of(source) is not None)
        timeout = options.get("timeout", 10.0)
        opening, reading = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        for place in range(0, len(params) - 1, 2):
            key, value = params[place], params[place + 1]
            if key == c.CAP_PROP_OPEN_TIMEOUT_MSEC:
                opening = _seconds(value)
            elif key == c.CAP_PROP_READ_TIMEOUT_MSEC:
                reading = _seconds(value)
            elif key == c.CAP_PROP_N_THREADS:
                options["threads"] = value or None
                self._options["threads"] = value
            elif key == c.CAP_PROP_ORIENTATION_AUTO:
                options["rotate"] = self._options["rotate"] = bool(value)
            elif key == c.CAP_PROP_BUFFERSIZE:
                options["latest"] = value == 1
                options["buffer"] = value
            elif key == c.CAP_PROP_CONVERT_RGB:
                self._converts = bool(value)
            elif key == c.CAP_PROP_FRAME_WIDTH and not _strict():
                self._size = (int(value), self._size[1])
            elif key == c.CAP_PROP_FRAME_HEIGHT and not _strict():
                self._size = (self._size[0], int(value))
            elif key == c.CAP_PROP_FPS and not _strict():
                self._rate = float(value) or None
            elif key in _IDLE or camera:
                # Decoders are the processor's; whoever wants another gets that, as from OpenCV.
                logger.warning("parameter %d has no effect", key)
            else:
                raise BadOption(f"params: there is no parameter {key} of opening this source", url=str(source))
        options["timeout"] = (opening, reading)
        self._timeouts = {
            c.CAP_PROP_OPEN_TIMEOUT_MSEC: opening,
            c.CAP_PROP_READ_TIMEOUT_MSEC: reading,
        }

    def _failed(self, error: Error) -> bool:
        self.error = error
        if self._raises:
            raise _for_opencv(error)
        logger.warning("%s", error)
        return False

    def _not_open(self, always: bool = False) -> None:
        if self._raises or always:
            raise _for_opencv(CaptureClosed("the capture is not open"))

    def __repr__(self) -> str:
        capture = self._capture
        if capture is not None:
            return f"<headwater.VideoCapture {capture.url!r}, open>"
        return f"<headwater.VideoCapture, {f'failed: {self.error}' if self.error else 'closed'}>"

    def isOpened(self) -> bool:
        return self._capture is not None

    def release(self) -> None:
        """Closes the source; an `open` or a read that waits on another thread ends at once."""
        with self._lock:
            capture, self._capture = self._capture, None
            opening, self._opening = self._opening, None
        self._grabbed = None
        for one in (capture, opening):
            if isinstance(one, _capture.Capture):
                one.close()

    def _next(self) -> _headwater.Frame | None:
        capture = self._capture
        if capture is None:
            self._not_open()
            return None
        try:
            frame = capture.read()
            while not self._is_due(frame):
                frame = capture.read()
        except Error as error:
            self._grabbed = None
            self.error = error
            if self._raises:
                raise _for_opencv(error) from None
            logger.info("%s", error)
            return None
        self._before, self._grabbed, self._taken, self._sought = frame, frame, False, False
        return frame

    def _is_due(self, frame: _headwater.Frame) -> bool:
        """Whether a frame is given, if only so many a second are wanted."""
        if self._rate is None:
            return True
        # Cameras jitter: one that is early by little is the one meant.
        if self._due is not None and 0 <= self._due - frame.pts - 0.125 / self._rate < 2 / self._rate:
            return False
        on_beat = self._due is not None and frame.pts < self._due + 1 / self._rate
        self._due = (self._due if on_beat and self._due is not None else frame.pts) + 1 / self._rate
        return True

    def grab(self) -> bool:
        """Takes the next frame without converting it."""
        return self._next() is not None

    def retrieve(self, image=None, flag: int = 0):
        """The frame that was grabbed, as an array of its own; with the flag that
        `CAP_PROP_CODEC_EXTRADATA_INDEX` tells, the codec's extradata."""
        _check(image)
        if self._capture is None:
            self._not_open()
        if flag == _EXTRADATA and self._capture is not None:
            extradata = self._capture.info.extradata
            return True, _row(extradata) if extradata else None
        return self._pixels(self._grabbed, image)

    def read(self, image=None):
        """(True, array) or (False, None). Of several threads that read, each gets other frames."""
        _check(image)
        return self._pixels(self._next(), image)

    def _pixels(self, frame: _headwater.Frame | None, image):
        if frame is None:
            return False, None
        with self._lock:
            taken, self._taken = self._taken and frame is self._grabbed, frame is self._grabbed
        try:
            if self._packets:
                packet = frame.source_jpeg
                return packet is not None, _row(packet) if packet is not None else None
            if self._size != (0, 0):
                frame, taken = frame.resized(*self._size), False
            # OpenCV gives the plane of brightness, whatever there is besides.
            format = "bgr24" if self._converts else "luma8"
            shape = (frame.height, frame.width, 3) if self._converts else (frame.height, frame.width)
            if image is not None and image.shape == shape and image.dtype == "uint8":
                if image.flags.c_contiguous:
                    return True, frame.to_numpy(format, image)
                image[...] = frame.to_numpy(format)
                return True, image
            # Who retrieves twice gets two arrays.
            pixels = frame.bgr if self._converts and not taken else frame.to_numpy(format)
        except Error as error:
            return self._failed(error), None
        return True, pixels

    def get(self, propId: int) -> float:
        """The value of a property; 0.0 for one that is not there."""
        capture, propId = self._capture, operator.index(propId)
        if capture is None:
            return 0.0
        device = _v4l2.path_of(capture.url) if propId in _v4l2.CONTROLS else None
        if device is not None:
            return float(_v4l2.control(device, propId) or 0)
        property = _GET.get(propId)
        return float(property(self, capture) or 0) if property else 0.0

    def set(self, propId: int, value: float) -> bool:
        """Whether a property was set."""
        if isinstance(value, (str, bytes)):
            raise TypeError(f"value: expected a number, found {type(value).__name__}")
        capture, propId, value = self._capture, operator.index(propId), float(value)
        done = capture is not None and self._set(capture, propId, value)
        if not done and self._raises:
            error = BadOption(f"could not set property {propId} to {value:g}", url=capture.url if capture else "")
            raise _for_opencv(error)
        return done

    def _set(self, capture: _capture.Capture, propId: int, value: float) -> bool:
        try:
            if propId == c.CAP_PROP_POS_FRAMES:
                self._go(capture, _number_of(value))
            elif propId == c.CAP_PROP_POS_MSEC:
                self._go(capture, value / 1000)
            elif propId == c.CAP_PROP_POS_AVI_RATIO and capture.info.duration:
                self._go(capture, value * capture.info.duration)
            elif propId == c.CAP_PROP_READ_TIMEOUT_MSEC:
                if not 0 <= value < float("inf"):
                    return False
                capture.timeout = self._timeouts[propId] = _seconds(value)
            elif propId == c.CAP_PROP_ORIENTATION_AUTO:
                return self._turn(capture, bool(value))
            elif propId == c.CAP_PROP_CONVERT_RGB:
                self._converts = bool(value)
            elif propId == c.CAP_PROP_FORMAT:
                # The packets as they come. Only those of JPEG are kept beside their pictures.
                if value != -1 or capture.info.codec != "mjpeg":
                    return False
                self._packets = True
            elif propId in _v4l2.CONTROLS:
                device = _v4l2.path_of(capture.url)
                return device is not None and _v4l2.set_control(device, propId, value)
            elif _strict():
                return False
            elif propId == c.CAP_PROP_BUFFERSIZE:
                # One frame is all that a live source keeps as it is.
                return value == 1 and capture.info.live and self._options.get("latest", "auto") is not False
            elif propId in (c.CAP_PROP_FRAME_WIDTH, c.CAP_PROP_FRAME_HEIGHT):
                if not 0 <= value <= _MOST_SIDE:
                    return False
                width, height = self._size
                self._size = (round(value), height) if propId == c.CAP_PROP_FRAME_WIDTH else (width, round(value))
            elif propId == c.CAP_PROP_FPS:
                if not value >= 0:
                    return False
                self._rate, self._due = float(value) or None, None
            else:
                return False
        except Error as error:
            self.error = error
            logger.info("%s", error)
            return False
        return True

    def _go(self, capture: _capture.Capture, to: int | float) -> None:
        """To a frame, or to the one that is nearest to a time."""
        if isinstance(to, float):
            half = 0.5 / capture.info.fps if capture.info.fps else 0.0
            to = (max(to, 0.0) if to == to else 0.0) + half
        capture.seek(to)
        self._due, self._sought = None, True

    def _turn(self, capture: _capture.Capture, turned: bool) -> bool:
        """Opens a recording again where it is, since a capture's pictures stay as it was opened for."""
        if turned != self._options.get("rotate", True):
            if not capture.info.seekable:
                return False
            again = _capture.open(self._source, **{**self._opened_with, "rotate": turned})
            again.seek(capture.position[0])
            self._options["rotate"], self._opened_with["rotate"] = turned, turned
            self._capture, self._before = again, None
            capture.close()
        return True

    def getBackendName(self) -> str:
        if self._capture is None:
            self._not_open(always=True)
        return "HEADWATER"

    def setExceptionMode(self, enable: bool) -> None:
        """Has a failed open and a time-out raised instead of told by False."""
        self._raises = bool(enable)

    def getExceptionMode(self) -> bool:
        return self._raises

    @staticmethod
    def waitAny(streams: Sequence[VideoCapture], timeoutNs: int = 0):
        """(whether any can be read without waiting, the places of those)."""
        if not streams:
            raise _wrong(ValueError, "waitAny: there is nothing to wait for")
        open = [(place, stream._capture) for place, stream in enumerate(streams) if stream._capture is not None]
        if not open:
            return False, []
        found = _headwater.ready([capture for _, capture in open], timeoutNs / 1e9 if timeoutNs else None)
        return bool(found), [open[place][0] for place in found]

    def __enter__(self) -> VideoCapture:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __iter__(self) -> Iterator:
        while True:
            ok, frame = self.read()
            if not ok:
                return
            yield frame


def _environment() -> dict:
    """What OpenCV's variable for options of FFmpeg asks for: KEY;VALUE|KEY;VALUE."""
    options: dict = {}
    for option in filter(None, os.environ.get("OPENCV_FFMPEG_CAPTURE_OPTIONS", "").split("|")):
        key, _, value = option.partition(";")
        if key == "rtsp_transport" and value in ("tcp", "udp"):
            options["transport"] = value
        elif key in ("timeout", "stimeout") and value.isdigit() and int(value):
            options["timeout"] = int(value) / 1e6
        elif key == "user_agent" and value:
            options["user_agent"] = value
        elif key == "headers":
            lines = filter(None, (line.strip() for line in value.splitlines()))
            pairs = (line.partition(":") for line in lines)
            options["headers"] = {name.strip(): text.strip() for name, colon, text in pairs if colon}
        else:
            logger.warning("OPENCV_FFMPEG_CAPTURE_OPTIONS: %s has no effect", key)
    return options


def _codec_fourcc(info: _headwater.Info) -> int:
    """As OpenCV does: of the codec, whatever the container calls it."""
    if len(info.codec) == 4:
        return _fourcc(info.codec)
    return _fourcc(CODECS[info.codec]) if info.codec in CODECS else info.fourcc


def _size(self: VideoCapture, info: _headwater.Info, side: int) -> float:
    """As was asked for; of the frame read last; or what is to be expected."""
    if self._before is not None:
        width, height = self._before.width, self._before.height
    else:
        turned = info.rotation % 180 and self._options.get("rotate", True)
        width, height = (info.height, info.width) if turned else (info.width, info.height)
    wished = self._size
    if wished != (0, 0) and width and height:
        # A side of 0 follows the other.
        wished = (wished[0] or round(wished[1] * width / height), wished[1] or round(wished[0] * height / width))
        return max(1, wished[side])
    return (width, height)[side]


def _rate(self: VideoCapture, info: _headwater.Info) -> float:
    return min(info.fps, self._rate) if self._rate else info.fps


def _threads(self: VideoCapture, info: _headwater.Info) -> int:
    """As OpenCV tells: one a processor, where the decoder can do with them."""
    if given := self._options.get("threads"):
        return given
    return min(os.cpu_count() or 1, 16) if info.codec in THREADED and not info.live else 1


def _number(self: VideoCapture, info: _headwater.Info) -> int:
    """The time of the frame in frames: what OpenCV calls PTS."""
    return round(self._grabbed.pts * info.fps) if self._grabbed else 0


def _milliseconds(self: VideoCapture, capture: _capture.Capture) -> float:
    """The time of the frame read last, or of the place that was sought since."""
    if self._sought:
        rate = capture.info.fps
        return capture.position[0] * 1000 / rate if rate else capture.position[1] * 1000
    return self._grabbed.pts * 1000 if self._grabbed else 0.0


def _sar(info: _headwater.Info, side: int) -> float:
    return info.sar[side] if info.sar else 1.0


_GET = {
    c.CAP_PROP_POS_MSEC: lambda self, cap: _milliseconds(self, cap),
    c.CAP_PROP_POS_FRAMES: lambda self, cap: cap.position[0],
    c.CAP_PROP_POS_AVI_RATIO: lambda self, cap: cap.position[1] / cap.info.duration if cap.info.duration else 0,
    c.CAP_PROP_FRAME_WIDTH: lambda self, cap: _size(self, cap.info, 0),
    c.CAP_PROP_FRAME_HEIGHT: lambda self, cap: _size(self, cap.info, 1),
    c.CAP_PROP_FPS: lambda self, cap: _rate(self, cap.info),
    c.CAP_PROP_FOURCC: lambda self, cap: _codec_fourcc(cap.info),
    c.CAP_PROP_FRAME_COUNT: lambda self, cap: 0 if cap.info.live else cap.info.frames,
    c.CAP_PROP_CONVERT_RGB: lambda self, cap: self._converts,
    c.CAP_PROP_FORMAT: lambda self, cap: -1 if self._packets else 0,
    c.CAP_PROP_FRAME_TYPE: lambda self, cap: ord(self._grabbed.picture_type if self._grabbed else "?"),
    c.CAP_PROP_PTS: lambda self, cap: _number(self, cap.info),
    c.CAP_PROP_CODEC_EXTRADATA_INDEX: lambda self, cap: _EXTRADATA,
    c.CAP_PROP_SAR_NUM: lambda self, cap: _sar(cap.info, 0),
    c.CAP_PROP_SAR_DEN: lambda self, cap: _sar(cap.info, 1),
    c.CAP_PROP_BACKEND: lambda self, cap: c.CAP_FFMPEG,
    c.CAP_PROP_CODEC_PIXEL_FORMAT: lambda self, cap: _fourcc(PIXEL_FORMATS.get(cap.info.pixel_format, "")),
    c.CAP_PROP_BITRATE: lambda self, cap: cap.info.bitrate // 1000,
    c.CAP_PROP_ORIENTATION_META: lambda self, cap: cap.info.rotation,
    c.CAP_PROP_ORIENTATION_AUTO: lambda self, cap: self._options.get("rotate", True),
    c.CAP_PROP_OPEN_TIMEOUT_MSEC: lambda self, cap: (self._timeouts.get(c.CAP_PROP_OPEN_TIMEOUT_MSEC) or 0) * 1000,
    c.CAP_PROP_READ_TIMEOUT_MSEC: lambda self, cap: (cap.timeout or 0) * 1000,
    c.CAP_PROP_STREAM_OPEN_TIME_USEC: lambda self, cap: self._opened_us,
    c.CAP_PROP_LRF_HAS_KEY_FRAME: lambda self, cap: self._grabbed is not None and self._grabbed.key,
    c.CAP_PROP_HW_DEVICE: lambda self, cap: -1,
    c.CAP_PROP_N_THREADS: lambda self, cap: _threads(self, cap.info),
}
