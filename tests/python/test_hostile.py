"""What a program may do to frames, arrays and captures, and what must not come of it."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import FRAMES, HEIGHT, WIDTH, mjpeg

import headwater


def picture(value=0, shape=(64, 160, 3)):
    import cv2

    return cv2.imencode(".jpg", np.full(shape, value, np.uint8))[1].tobytes()


def test_damaged_pictures_are_counted_whether_they_are_dropped_or_not(server):
    good = picture(7, (240, 320, 3))
    noise = np.random.default_rng(3).integers(0, 255, (240, 320, 3), np.uint8)
    import cv2

    whole = cv2.imencode(".jpg", noise)[1].tobytes()
    damaged = whole[: len(whole) // 2] + b"\xff\xd9"
    # A header of a frame, and nothing of that.
    none = good[: good.index(b"\xff\xda")] + b"\xff\xd9"
    sent = [good, damaged, good, none, good]
    for corrupt, indices, before in (("keep", [0, 1, 2, 3, 4], [0] * 5), ("drop", [0, 2, 4], [0, 1, 1])):
        url = server.url("/x", mjpeg(sent))
        with headwater.open(url, latest=False, reconnect=False, corrupt=corrupt, timeout=30) as capture:
            frames = list(capture)
            assert [frame.index for frame in frames] == indices
            assert [frame.dropped_before for frame in frames] == before
            assert [frame.index for frame in frames if frame.corrupt] == [n for n in indices if n % 2]
            stats = capture.stats
            assert (stats.corrupt, stats.dropped) == (2, sum(before))


def test_damaged_pictures_of_a_recording_are_counted_when_they_are_dropped(clips, tmp_path):
    with open(clips("h264.ts"), "rb") as file:
        data = bytearray(file.read())
    # In the middle of packets of transport, whose headers stay.
    for packet in range(len(data) // 376 * 188, len(data) // 376 * 188 + 6 * 188, 188):
        data[packet + 60 : packet + 120] = bytes(60)
    path = tmp_path / "damaged.ts"
    path.write_bytes(data)
    with headwater.open(path, threads=1) as capture:
        marked = [frame.index for frame in capture if frame.corrupt]
        assert marked and capture.stats.corrupt == len(marked)
    with headwater.open(path, threads=1, corrupt="drop") as capture:
        frames = list(capture)
        assert [frame.index for frame in frames] == [n for n in range(FRAMES) if n not in marked]
        assert sum(frame.dropped_before for frame in frames) == len(marked) == capture.stats.dropped


def test_to_numpy_leaves_the_callers_array_to_the_caller(clips):
    with headwater.open(clips("mpeg4.avi")) as capture:
        first, second = capture.read(), capture.read()
    out = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    first.to_numpy(out=out)
    second.to_numpy(out=out)
    assert first.bgr is not out and not np.array_equal(first.bgr, out) and np.array_equal(second.bgr, out)
    assert sys.getrefcount(out) == 2


def test_an_array_that_cannot_be_filled_costs_no_frame(clips):
    frozen = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    frozen.flags.writeable = False
    gaps = np.empty((HEIGHT, 2 * WIDTH, 3), np.uint8)[:, ::2]
    other = np.empty((HEIGHT, WIDTH, 3), np.int16)
    with headwater.open(clips("mpeg4.avi")) as capture:
        for wrong in (frozen, gaps, other, [1, 2], "text", b"bytes", 7, np.empty((HEIGHT, WIDTH, 3), object)):
            with pytest.raises((ValueError, TypeError, BufferError)):
                capture.read(wrong)
        assert capture.read().index == 0
        # Its shape is told by the frame alone.
        for shape in ((HEIGHT, WIDTH), (HEIGHT, WIDTH, 4), (WIDTH, HEIGHT, 3), (HEIGHT * WIDTH * 3,), (0,)):
            with pytest.raises(ValueError, match="shape"):
                capture.read(np.empty(shape, np.uint8))
        # Whatever holds bytes of that shape will do.
        buffer = bytearray(HEIGHT * WIDTH * 3)
        view = memoryview(buffer).cast("B", (HEIGHT, WIDTH, 3))
        assert capture.read(view).bgr is view and any(buffer)


def test_records_that_come_too_fast_are_counted(clips):
    program = """
import logging, sys, threading
import headwater
from headwater import _headwater, _log
_log._started = __import__("os").getpid()  # Nobody takes them.
logging.getLogger("headwater").setLevel(logging.DEBUG)
_log.start()
for _ in range(400):
    try:
        headwater.open("http://127.0.0.1:1/x", timeout=30)
    except headwater.Refused:
        pass
records = _headwater.records(5.0)
assert len(records) == 257, len(records)
level, target, text = records[-1]
assert level == 30 and text.endswith("records came too fast and are lost"), text
assert int(text.split()[0]) > 100
assert not any("are lost" in text for _, _, text in _headwater.records(0.0))
"""
    ran = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=100)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_credentials_stand_in_one_place():
    for url in ("http://you:there@cam/x", "rtsp://you@cam/x", "http://you:a@b@cam"):
        for options in ({"user": "me"}, {"password": "hidden"}, {"user": "me", "password": "hidden"}):
            with pytest.raises(ValueError, match="leave one of them out") as raised:
                headwater.open(url, **options)
            assert "hidden" not in repr(raised.value) and "there" not in repr(raised.value).replace("and there", "")
    # An @ in the path is none of a user.
    with pytest.raises(headwater.Refused) as raised:
        headwater.open("http://127.0.0.1:1/a@b", user="me", password="hidden")
    assert "hidden" not in raised.value.url and raised.value.args == (str(raised.value),)
