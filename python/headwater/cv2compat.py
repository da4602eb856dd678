"""`cv2` with Headwater's captures in it: `import headwater.cv2compat as cv2`.

Everything that is not about opening and reading video comes from OpenCV, if that is installed.
`install()` puts Headwater's capture into the `cv2` that is there, for programs that are not to be changed at all.
"""

from ._constants import *  # noqa: F403
from ._cv2 import VideoCapture

#: True: as OpenCV does it where that does harm, too. Live sources give their oldest frame, and `set` of size and rate is
#: False. For captures that are opened from then on.
strict = False

_own = None


def install() -> None:
    """From now on `cv2.VideoCapture` is Headwater's."""
    global _own
    import cv2

    if cv2.VideoCapture is not VideoCapture:
        _own = cv2.VideoCapture
        setattr(cv2, "VideoCapture", VideoCapture)


def uninstall() -> None:
    """`cv2.VideoCapture` is OpenCV's again."""
    global _own
    import cv2

    if _own is not None:
        setattr(cv2, "VideoCapture", _own)
        _own = None


def __getattr__(name: str):
    if name.startswith("__"):
        raise AttributeError(name)
    try:
        import cv2
    except ImportError:
        raise AttributeError(f"{name}: not about opening video, and OpenCV is not installed; pip install opencv-python") from None
    return getattr(cv2, name)
