"""Some four hundred calls of `cv2.VideoCapture`, each beside the same one of ours.

What differs is listed in `DIFFERENT`, with its reason, and in docs/PYTHON.md; nothing else may, and what stands there
has to.
"""

import os

import cv2
import numpy as np
import pytest
from conftest import HEIGHT, WIDTH

import headwater

#: By the name of the call, or how that begins: why it differs.
DIFFERENT = {
    "get 2": "the time base in OpenCV, how far it is here",
    "get 47": "the rate of the file in OpenCV, that of the video here",
    "get 53": "the time-outs tell their values",
    "get 54": "the time-outs tell their values",
    "get 55": "of files a negative number in OpenCV",
    "set 3": "sizes can be set",
    "set 4": "sizes can be set",
    "set 5": "rates can be set",
    "set 54": "time-outs can be set later, too",
    "place after POS_FRAMES": "the time until the next read, which OpenCV takes for one in another time base",
    "place after POS_MSEC": "the same",
    "read after RATIO 0.5": "OpenCV goes to the end, whatever the part",
    "open zero byte": "OpenCV ends a name at a zero byte",
    "open back end": "the one back end opens whatever it can",
    "wrong params": "OpenCV raises SystemError",
    "closed name": "the name of the back end",
    "name": "the name of the back end",
}

PROPERTIES = [*range(13), 16, 21, 38, *range(40, 51), *range(52, 72), 999, -1]


def told(value):
    """A value as it is compared."""
    if isinstance(value, tuple):
        return tuple(map(told, value))
    if isinstance(value, np.ndarray):
        return value.shape, str(value.dtype), value.flags.c_contiguous, value.flags.writeable, int(value.sum())
    return round(value, 3) if isinstance(value, float) else value


class Calls:
    """What came of each call, by its name."""

    def __init__(self, kind):
        self.kind, self.told, self.capture = kind, [], None

    def __call__(self, name, call):
        try:
            result = told(call())
        except cv2.error:
            # OpenCV's own, or one of ours that is that, too.
            result = "cv2.error"
        except (TypeError, ValueError, SystemError) as error:
            result = type(error).__name__
        self.told.append((name, result))

    def place(self):
        return self.capture.get(0), self.capture.get(1)

    def open(self, *arguments, **named):
        self.capture = self.kind(*arguments, **named)
        return self.capture


def reading(calls, clip):
    cap = calls.open(clip)
    calls("opened", cap.isOpened)
    calls("retrieve before grab", cap.retrieve)
    for number in PROPERTIES:
        calls(f"get {number}", lambda: cap.get(number))
    calls("grab", cap.grab)
    calls("retrieve", cap.retrieve)
    calls("retrieve again", cap.retrieve)
    calls("place", calls.place)
    for _ in range(3):
        calls("read", cap.read)
        calls("place", calls.place)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    calls("read into an image", lambda: cap.read(image))
    calls("the image", lambda: int(image.sum()))
    small = np.zeros((10, 10, 3), np.uint8)
    calls("read into a small image", lambda: cap.read(small))
    calls("the small image", lambda: int(small.sum()))
    calls("read into floats", lambda: cap.read(np.zeros((HEIGHT, WIDTH, 3), np.float32)))
    frozen = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    frozen.flags.writeable = False
    gaps = np.zeros((HEIGHT, 2 * WIDTH, 3), np.uint8)[:, ::2]
    wide = np.zeros((HEIGHT, 2 * WIDTH, 3), np.uint8)
    for name, wrong in [("frozen", frozen), ("gaps", gaps), ("list", [1, 2]), ("text", "x")]:
        calls(f"read into {name}", lambda: cap.read(wrong))
        calls(f"retrieve into {name}", lambda: cap.retrieve(wrong))
    calls("read into padded rows", lambda: cap.read(wide[:, :WIDTH])[0])
    calls("the padded rows", lambda: (int(wide[:, :WIDTH].sum()), int(wide[:, WIDTH:].sum())))
    calls("read None", lambda: cap.read(None)[0])
    calls("read by name", lambda: cap.read(image=image)[0])
    calls("retrieve by name", lambda: cap.retrieve(image=image, flag=0)[0])
    calls("retrieve flag 2", lambda: cap.retrieve(None, 2)[0])
    for wrong in ("x", 3.0):
        calls("get of no number", lambda: cap.get(wrong))
        calls("set of no number", lambda: cap.set(wrong, 1))
    calls("set to no number", lambda: cap.set(3, "x"))


def seeking(calls, clip):
    cap = calls.open(clip)
    for value in (10, 0, -5, 49, 50, 60, 1e9, 3.7, 10.2):
        calls(f"set POS_FRAMES {value}", lambda: cap.set(1, value))
        calls(f"frame after POS_FRAMES {value}", lambda: cap.get(1))
        calls(f"place after POS_FRAMES {value}", calls.place)
        calls(f"read after POS_FRAMES {value}", cap.read)
        if 0 <= value < 50:
            calls(f"then after POS_FRAMES {value}", calls.place)
    calls("set POS_FRAMES nan", lambda: cap.set(1, float("nan")))
    calls("frame after nan", lambda: cap.get(1))
    cap = calls.open(clip)
    for value in (400, 0, -100, 1959, 1e7, 133.0, 59.0, 61.0):
        calls(f"set POS_MSEC {value}", lambda: cap.set(0, value))
        calls(f"frame after POS_MSEC {value}", lambda: cap.get(1))
        calls(f"place after POS_MSEC {value}", calls.place)
        calls(f"read after POS_MSEC {value}", cap.read)
    for value in (0, 0.5, 1):
        calls(f"set RATIO {value}", lambda: cap.set(2, value))
        calls(f"read after RATIO {value}", cap.read)
    for number in (3, 4, 5, 6, 7, 9, 16, 38, 45, 49, 53, 54, 999, -1):
        calls(f"set {number}", lambda: cap.set(number, 1))


def ending(calls, clip):
    cap = calls.open(clip)
    count = 0
    while cap.read()[0]:
        count += 1
    calls("count", lambda: count)
    calls("place at the end", calls.place)
    calls("read at the end", cap.read)
    calls("grab at the end", cap.grab)
    calls("retrieve at the end", cap.retrieve)
    calls("opened at the end", cap.isOpened)
    calls("back", lambda: cap.set(1, 0))
    calls("read from the begin", cap.read)
    calls("open twice", lambda: cap.open(clip))
    calls("read", cap.read)
    calls("open nothing", lambda: cap.open("nope.mp4"))
    calls("opened", cap.isOpened)
    calls("read nothing", cap.read)
    calls("open again", lambda: cap.open(clip))
    calls("name", cap.getBackendName)
    cap.release()
    for name, call in [("read", cap.read), ("grab", cap.grab), ("retrieve", cap.retrieve), ("release", cap.release)]:
        calls(f"closed {name}", call)
    calls("closed get", lambda: (cap.get(3), cap.get(999)))
    calls("closed set", lambda: cap.set(3, 1))
    calls("closed name, which is none", cap.getBackendName)


def raising(calls, clip):
    cap = calls.open()
    calls("empty", cap.isOpened)
    calls("empty read", cap.read)
    calls("mode", cap.getExceptionMode)
    calls("set mode", lambda: cap.setExceptionMode(True))
    calls("open nothing", lambda: cap.open("nope.mp4"))
    for name, call in [("read", cap.read), ("grab", cap.grab), ("retrieve", cap.retrieve)]:
        calls(f"raising {name}", call)
    calls("raising get", lambda: cap.get(3))
    calls("raising set", lambda: cap.set(3, 1))
    calls("raising open", lambda: cap.open(clip))
    calls("raising set of nothing", lambda: cap.set(999, 1))
    calls("raising get of nothing", lambda: cap.get(999))
    calls("raising end", lambda: [cap.read() for _ in range(99)])


def opening(calls, clip):
    kind = calls.kind
    for bad in ("", "/tmp", "nope://x", None, 1.5, [], -1, 99):
        calls(f"open {bad!r}", lambda: kind(bad).isOpened())
    calls("open zero byte", lambda: kind(clip + "\0").isOpened())
    calls("open with a back end", lambda: kind(clip, cv2.CAP_FFMPEG).isOpened())
    calls("open back end that is not there", lambda: kind(clip, cv2.CAP_GSTREAMER).isOpened())
    calls("open by name", lambda: kind(filename=clip, apiPreference=0).isOpened())
    calls("params", lambda: kind(clip, 0, [cv2.CAP_PROP_N_THREADS, 1]).get(cv2.CAP_PROP_N_THREADS))
    calls("wrong params", lambda: kind(clip, cv2.CAP_FFMPEG, [1]).isOpened())
    calls("unknown params", lambda: kind(clip, cv2.CAP_FFMPEG, [999, 1]).isOpened())
    calls("index by name", lambda: kind(index=99).isOpened())
    calls("open by name", lambda: kind().open(filename=clip))
    calls("two frames share", lambda: (lambda cap: np.shares_memory(cap.read()[1], cap.read()[1]))(kind(clip)))
    calls("kept beyond the capture", lambda: (lambda cap: cap.read()[1])(kind(clip)))
    calls("wait for nothing", lambda: kind.waitAny([]))


@pytest.mark.parametrize("clip", ["h264.mp4", "mjpeg.avi"])
@pytest.mark.parametrize("script", [reading, seeking, ending, raising, opening], ids=lambda script: script.__name__)
def test_each_call_is_opencvs_or_differs_for_a_reason(clips, script, clip, capfd):
    path, both = clips(clip), []
    for kind in (cv2.VideoCapture, headwater.VideoCapture):
        calls = Calls(kind)
        script(calls, path)
        both.append(calls.told)
    theirs, ours = both
    assert [name for name, _ in theirs] == [name for name, _ in ours]
    different = [(name, a, b) for (name, a), (_, b) in zip(theirs, ours) if a != b]
    unexplained = [row for row in different if not any(row[0].startswith(known) for known in DIFFERENT)]
    assert unexplained == []


def test_every_difference_is_told_in_the_documentation():
    with open(os.path.join(os.path.dirname(__file__), "../../docs/PYTHON.md"), encoding="utf-8") as file:
        text = file.read()
    for word in ("POS_AVI_RATIO", "BITRATE", "READ_TIMEOUT_MSEC", "STREAM_OPEN_TIME_USEC", "FRAME_WIDTH", "POS_MSEC",
                 "CAP_GSTREAMER", "SystemError", "zero byte", "getBackendName"):
        assert word in text, word
