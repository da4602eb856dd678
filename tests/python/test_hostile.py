"""What a program may do to frames, arrays and captures, and what must not come of it."""

import gc
import os
import subprocess
import sys
import time

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


def pattern():
    with headwater.open("pattern:?size=160x64") as capture:
        return capture.read()


def test_arrays_outlive_frame_and_capture():
    frame = pattern()
    arrays = [frame.bgr, np.asarray(frame), np.from_dlpack(frame), np.asarray(memoryview(frame)), frame[10:20]]
    before = [array.copy() for array in arrays]
    del frame
    gc.collect()
    # What is opened next would take the memory, were it free.
    for _ in range(20):
        pattern().bgr[:] = 1
    assert all(np.array_equal(array, was) for array, was in zip(arrays, before))


def test_frames_can_be_looked_at_after_the_capture_is_closed(clips):
    with headwater.open(clips("h264.mp4")) as capture:
        frames = [capture.read() for _ in range(10)]
    del capture
    gc.collect()
    assert [frame.index for frame in frames] == list(range(10))
    for frame in frames:
        assert frame.bgr.shape == (HEIGHT, WIDTH, 3) and frame.gray.any() and frame.jpeg()[:2] == b"\xff\xd8"
        assert frame.resized(80, 0).rgb.shape == (45, 80, 3) and not frame.corrupt


def test_the_buffer_of_a_frame_is_that_of_its_array():
    frame = pattern()
    view = memoryview(frame)
    assert (view.shape, view.strides, view.format, view.itemsize) == ((64, 160, 3), (480, 3, 1), "B", 1)
    assert view.c_contiguous and not view.readonly and view.nbytes == 64 * 160 * 3
    view[0, 0, 0] = 77
    assert frame.bgr[0, 0, 0] == 77 and bytes(view) == frame.bgr.tobytes()
    # As long as somebody looks, the memory stays.
    del frame
    gc.collect()
    assert view[0, 0, 0] == 77
    with pytest.raises((BufferError, ValueError, TypeError)):
        np.ndarray((1 << 30,), np.uint8, buffer=view)
    for plain, shape in (("gray8", (64, 160)), ("bgra", (64, 160, 4)), ("yuv420p", (96, 160))):
        with headwater.open("pattern:?size=160x64", format=plain) as capture:
            assert memoryview(capture.read()).shape == shape


def capsule_name(capsule):
    import ctypes

    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return name(capsule)


def test_dlpack_says_what_the_protocol_says():
    frame = pattern()
    assert frame.__dlpack_device__() == (1, 0)
    assert capsule_name(frame.__dlpack__()) == b"dltensor"
    assert capsule_name(frame.__dlpack__(stream=None, max_version=(1, 0))) == b"dltensor_versioned"
    assert capsule_name(frame.__dlpack__(max_version=(0, 8))) == b"dltensor"
    assert capsule_name(frame.__dlpack__(dl_device=(1, 0), copy=False, max_version=(1, 1))) == b"dltensor_versioned"
    # Another device, and a stream, which the processor has none of.
    for wrong in ({"dl_device": (2, 0)}, {"stream": 1}, {"stream": -1}):
        with pytest.raises((BufferError, RuntimeError, ValueError)):
            frame.__dlpack__(**wrong)
    with pytest.raises(TypeError):
        frame.__dlpack__(no_such_argument=1)
    with pytest.raises(TypeError):
        frame.__dlpack__(None)
    # A capsule that nobody takes gives back what it holds.
    array = frame.bgr
    before = sys.getrefcount(array)
    for _ in range(100):
        frame.__dlpack__(max_version=(1, 0))
    gc.collect()
    assert sys.getrefcount(array) == before


def test_dlpack_shares_or_copies_as_it_is_told():
    frame = pattern()
    shared, copied = np.from_dlpack(frame, copy=False), np.from_dlpack(frame, copy=True)
    assert np.shares_memory(shared, frame.bgr) and shared.flags.writeable and shared.shape == (64, 160, 3)
    assert not np.shares_memory(copied, frame.bgr) and np.array_equal(copied, shared)
    shared[0, 0] = 99
    assert (frame.bgr[0, 0] == 99).all() and not (copied[0, 0] == 99).all()
    assert np.array_equal(np.from_dlpack(frame, device="cpu"), frame.bgr)


def test_arrays_of_another_kind_and_copies_are_what_numpy_makes_of_them():
    frame = pattern()
    assert np.array(frame).base is not frame.bgr and not np.shares_memory(np.array(frame), frame.bgr)
    assert np.asarray(frame, np.float32).dtype == np.float32
    assert frame.__array__(np.uint8) is frame.bgr and frame.__array__(copy=True) is not frame.bgr
    with pytest.raises(ValueError):
        frame.__array__(np.float32, copy=False)
    assert np.shares_memory(frame[:, ::2], frame.bgr) and (frame[...] == frame.bgr).all()


def everything_told(url, caplog, timeout=5, **options):
    """All that a failed open leaves where somebody may read it."""
    import pickle
    import traceback

    try:
        headwater.open(url, reconnect=False, timeout=timeout, **options).close()
    except Exception as error:
        told = ["".join(traceback.format_exception(error)), repr(error), str(error), repr(error.args)]
        told += [repr(vars(error)), repr(pickle.dumps(error)), repr(getattr(error, "__notes__", ""))]
        told += [repr((error.filename, error.filename2, error.strerror))] if isinstance(error, OSError) else []
    else:
        told = []
    capture = headwater.VideoCapture(url, timeout=timeout, **options)
    told += [repr(capture), repr(capture.error), str(capture.error)]
    told += [record.getMessage() for record in caplog.records]
    return told


@pytest.mark.parametrize(
    "place",
    ["127.0.0.1:1/x", "no-such-host.invalid/x", "127.0.0.1:port/x", "[::1/x", "", "127.0.0.1:99999/x", "a b/x", "/", "?x"],
)
def test_a_password_is_nowhere_that_somebody_reads(place, caplog, capfd):
    caplog.set_level("DEBUG", logger="headwater")
    for scheme in ("http", "https", "rtsp", "rtmp", "mms", "mmsh", "srt", "nope"):
        # SRT knocks for three seconds: once is enough.
        for user, timeout in (("me:S3cret@", 5), ("me:S3c/r@t:S3cret@", 0.5), ("me:%53S3cret@", 0.5), (":S3cret@", 0.5)):
            told = everything_told(f"{scheme}://{user}{place}", caplog, timeout)
            assert [text for text in told if "S3cret" in text] == []
        told = everything_told(f"{scheme}://{place}", caplog, 0.5, user="me", password="S3cret")
        assert [text for text in told if "S3cret" in text] == []
    assert "S3cret" not in "".join(capfd.readouterr())


def test_a_password_of_a_proxy_or_in_a_header_is_nowhere_either(caplog, capfd):
    caplog.set_level("DEBUG", logger="headwater")
    for options in (
        {"proxy": "http://me:S3cret@127.0.0.1:1"},
        {"proxy": "http://me:S3cret@127.0.0.1:port"},
        {"proxy": "ftp://me:S3cret@x"},
        {"headers": {"Authorization": "Basic S3cret\r\nX: y"}},
        {"headers": {"Authorization": "Basic S3cret"}},
        {"headers": {"Bad Name": "S3cret"}},
    ):
        assert [text for text in told_of(options, caplog) if "S3cret" in text] == [], options
    assert "S3cret" not in "".join(capfd.readouterr())


def told_of(options, caplog):
    try:
        return everything_told("http://127.0.0.1:1/x", caplog, **options)
    except ValueError as error:
        return [repr(error), str(error)]


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def held():
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def settled(before, seconds=20):
    until = time.monotonic() + seconds
    while True:
        gc.collect()
        now = held()
        if now[0] <= before[0] and now[1] <= before[1]:
            return True
        if time.monotonic() > until:
            return now
        time.sleep(0.02)


def test_opening_and_closing_again_and_again_takes_no_more_memory(clips, server):
    url = server.url("/x", mjpeg([picture(5, (240, 320, 3))] * 2, "stall"))

    def cycles(count):
        for _ in range(count):
            for source in (clips("mjpeg.avi"), url):
                with headwater.open(source, timeout=30) as capture:
                    capture.read().bgr
            with pytest.raises(headwater.Refused):
                headwater.open("http://127.0.0.1:1/x")

    cycles(40)
    server.over.set()
    before, least = held(), resident()
    cycles(120)
    assert settled(before) is True
    # 120 leaked frames would be 27 MB, and 120 leaked decoders more.
    assert resident() - least < 16 << 20


def test_losing_and_opening_a_source_again_and_again_takes_no_more_memory(server):
    url = server.url("/x", mjpeg([picture(5, (240, 320, 3))] * 2))
    again = headwater.Reconnect(first=0.001, max=0.002, jitter=0)
    with headwater.open(url, reconnect=again, latest=False, timeout=30) as capture:

        def until(reconnects):
            while capture.stats.reconnects < reconnects:
                capture.read().bgr

        until(40)
        before, least = held(), resident()
        until(160)
        after = held()
        assert resident() - least < 16 << 20
        # One more connection than then may be on its way, and its server's thread.
        assert after[0] <= before[0] + 4 and after[1] <= before[1] + 4
