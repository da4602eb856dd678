"""Video from any URL as numpy arrays: never hangs, never lags, and says why.

>>> import headwater
>>> with headwater.open("pattern:?size=320x240") as cap:
...     for frame in cap:
...         pixels = frame.bgr
...         break
>>> pixels.shape, str(pixels.dtype)
((240, 320, 3), 'uint8')

`headwater.open` raises exceptions and gives frames with all that is known of them. `headwater.VideoCapture` is used as
`cv2.VideoCapture` is.
"""

from ._capture import Capture, aopen, open, probe, wait_any
from ._cv2 import VideoCapture
from ._discover import Found, Stream, discover
from ._errors import (
    BadOption,
    BadUrl,
    Broken,
    CaptureClosed,
    Ended,
    Error,
    NotFound,
    NotVideo,
    Refused,
    ServerError,
    Timeout,
    Unauthorized,
    Unreachable,
    Unsupported,
)
from ._headwater import Frame, Info, Stats, __ffmpeg__, __version__
from ._reconnect import Reconnect
from ._show import show
from ._v4l2 import Device, devices

__all__ = [
    "BadOption",
    "BadUrl",
    "Broken",
    "Capture",
    "CaptureClosed",
    "Device",
    "Ended",
    "Error",
    "Found",
    "Frame",
    "Info",
    "NotFound",
    "NotVideo",
    "Reconnect",
    "Refused",
    "ServerError",
    "Stats",
    "Stream",
    "Timeout",
    "Unauthorized",
    "Unreachable",
    "Unsupported",
    "VideoCapture",
    "__ffmpeg__",
    "__version__",
    "aopen",
    "devices",
    "discover",
    "open",
    "probe",
    "show",
    "wait_any",
]
