"""How calls and programs end that are told to in the middle."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import mjpeg, silent

import headwater

READERS = """
import threading, headwater
captures = [headwater.open("pattern:?size=160x64&fps=200", on_state=print) for _ in range(3)]
def read(capture):
    while True:
        capture.read().bgr
for capture in captures:
    threading.Thread(target=read, args=(capture,), daemon=True).start()
captures[0].read()
"""


def test_a_program_may_end_while_its_threads_import_numpy_and_read():
    # An abort where there was one: in nine of ten.
    for _ in range(10):
        ran = subprocess.run([sys.executable, "-P", "-c", READERS], capture_output=True, text=True, timeout=60)
        assert (ran.returncode, ran.stderr) == (0, "")


def interrupted(call, after=0.3):
    """How long `call` goes on after Ctrl-C."""
    pressed = []

    def press():
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        call()
    return time.monotonic() - pressed[0]


def test_ctrl_c_ends_opening_in_an_event_loop(server):
    url = server.url("/silent", silent)
    assert interrupted(lambda: asyncio.run(headwater.aopen(url, timeout=20))) < 5


def test_who_gives_up_opening_in_an_event_loop_leaves_nothing_behind(server):
    url = server.url("/silent", silent)
    states = []

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(headwater.aopen(url, timeout=20, on_state=states.append), 0.2)

    began = time.monotonic()
    asyncio.run(give_up())
    assert time.monotonic() - began < 10
    while "closed" not in states:
        assert time.monotonic() - began < 10
        time.sleep(0.01)


def test_opening_in_an_event_loop_tells_what_opening_tells(server, tmp_path):
    for source, kind in ((str(tmp_path / "none.mp4"), headwater.NotFound), (b"no video " * 99, headwater.NotVideo)):
        with pytest.raises(kind) as plain:
            headwater.open(source)
        with pytest.raises(kind) as raised:
            asyncio.run(headwater.aopen(source))
        assert raised.value.url == plain.value.url
        assert raised.value.phase == plain.value.phase and raised.value.hint == plain.value.hint
    with pytest.raises(headwater.Timeout) as raised:
        asyncio.run(headwater.aopen(server.url("/silent", silent), timeout=0.3))
    assert raised.value.phase == "handshake" and 0.2 < raised.value.elapsed < 10
    with pytest.raises(TypeError):
        asyncio.run(headwater.aopen("pattern:", colour="red"))


def stalls_after_opening(clips):
    """A server of a recording that gives it once, and says nothing when asked again."""
    """A server of a recording that gives it once, and says nothing when asked again."""
    with open(clips("h264-422.mkv"), "rb") as file:
        data = file.read()
    asked = []

    def page(handler):
        asked.append(handler)
        if len(asked) > 1:
            handler.stall()
        handler.send_response(200)
        handler.send_header("Content-Type", "video/x-matroska")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return page


WAITS = [lambda capture: capture.seek(40), lambda capture: capture.seek(1.0), lambda capture: capture.count_frames()]


@pytest.mark.parametrize("wait", WAITS, ids=["seek to a frame", "seek to a time", "count"])
def test_ctrl_c_close_and_the_time_out_end_looking_through_a_recording(clips, server, wait):
    url = server.url("/clip.mkv", stalls_after_opening(clips))
    with headwater.open(url, latest=False, timeout=30) as capture:
        assert interrupted(lambda: wait(capture)) < 5
        capture.timeout = 0.2
        with pytest.raises(TimeoutError):
            wait(capture)
        capture.timeout = 30
        began = time.monotonic()
        threading.Timer(0.3, capture.close).start()
        with pytest.raises(headwater.CaptureClosed):
            wait(capture)
        assert time.monotonic() - began < 10


def test_frames_are_counted_once_by_whoever_asks(clips):
    with headwater.open(clips("h264.ts")) as capture:
        counted = []
        threads = [threading.Thread(target=lambda: counted.append(capture.count_frames())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counted == [50] * 4 and capture.count_frames(timeout=0) == 50
    with headwater.open("pattern:") as capture, pytest.raises(headwater.Unsupported):
        capture.count_frames()


def test_a_place_that_is_sought_is_told_before_it_is_read(clips):
    with headwater.open(clips("h264.mp4")) as capture:
        for to, place in ((40, 40), (1.0, 25), (3, 3), (4, 4), (99, 50)):
            capture.seek(to)
            assert capture.position[0] == place
        for wrong in (-1, -1.0, float("nan")):
            with pytest.raises((ValueError, OverflowError)):
                capture.seek(wrong)
        assert capture.position[0] == 50


FORKS = """
import os, sys, threading, time
import headwater
capture = headwater.open("pattern:?size=160x64&fps=200")
frame, later = capture.read(), headwater.open(sys.argv[1])
kept = frame.bgr
over = threading.Event()
def busy():
    while not over.is_set():
        capture.read().bgr
        headwater.open(sys.argv[1]).read().bgr
threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(int(sys.argv[2])):
    child = os.fork()
    if child == 0:
        assert frame.bgr is kept and frame.width == 160 and capture.closed and capture.state == "closed"
        for call in (capture.read, capture.poll, later.count_frames, lambda: later.seek(3), lambda: frame.gray,
                     lambda: frame.resized(80, 0), lambda: capture.info, lambda: headwater.wait_any([capture])[0]):
            try:
                call()
            except headwater.CaptureClosed as error:
                assert "forked" in str(error) and "\\n" not in str(error), error
            except IndexError:
                pass
            else:
                raise SystemExit("no error")
        capture.close()
        with headwater.open(sys.argv[1], timeout=30) as own:
            assert own.read().bgr.any()
        with headwater.open("pattern:", timeout=30) as own:
            assert own.read().bgr.any()
        # As a program ends: everything is freed.
        over.set()
        del capture, later, frame, kept, own
        os._exit(0) if sys.argv[3] == "at once" else sys.exit()
    _, status = os.waitpid(child, 0)
    assert status == 0, status
over.set()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("end", ["at once", "in order"])
def test_a_forked_process_opens_its_own_and_is_told_of_those_of_its_parent(clips, end):
    command = [sys.executable, "-P", "-W", "ignore", "-c", FORKS, clips("h264.mp4"), "6", end]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_states_are_told_where_descriptors_are_many():
    program = """
import os, resource, threading, headwater
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
told = threading.Event()
with headwater.open("pattern:", on_state=lambda state: state == "closed" and told.set()) as capture:
    assert capture.waker().fileno() > 1024
    capture.read()
assert told.wait(30)
"""
    ran = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_deferred_picture_is_decoded_while_other_threads_run(server):
    """`corrupt`, `resized` and `repr` of one that nobody has looked at."""
    import cv2
    import numpy as np
    from conftest import mjpeg

    # Large enough to take a while.
    noise = np.random.default_rng(5).integers(0, 255, (2400, 3200, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    for look in (lambda frame: frame.corrupt, lambda frame: frame.resized(100, 0), repr):
        with headwater.open(server.url("/x", mjpeg([jpeg] * 4, "stall")), latest=True, timeout=60) as capture:
            frame = capture.read()
            while frame.index < 3:
                frame = capture.read()
            ticks, over = [], threading.Event()

            def tick():
                while not over.is_set():
                    ticks.append(time.monotonic())
                    time.sleep(0.0005)

            ticking = threading.Thread(target=tick)
            ticking.start()
            while len(ticks) < 5:
                time.sleep(0.001)
            began = time.monotonic()
            look(frame)
            ended = time.monotonic()
            over.set()
            ticking.join()
            # Held up, there would be none between the two.
            assert any(began < at < ended for at in ticks)


def test_a_camera_that_waits_for_the_program_is_not_called_stalled(server):
    def page(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        while True:
            handler.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n")

    picture = headwater.open("pattern:?size=320x240").read().jpeg()
    with headwater.open(server.url("/fast.mjpeg", page), latest=False) as capture:
        states, began = {capture.read() and capture.state}, time.monotonic()
        # Longer than a source is without pictures that is called so.
        while time.monotonic() - began < 1.2:
            states.add(capture.state)
            time.sleep(0.01)
        # Those that waited meanwhile are as old.
        for _ in range(30):
            states.add(capture.read() and capture.state)
        assert states == {"open"}


def test_what_is_lost_for_good_is_no_reconnect(server):
    picture = headwater.open("pattern:?size=320x240").read().jpeg()
    with headwater.open(server.url("/x", mjpeg([picture] * 3)), latest=False, reconnect=False) as capture:
        assert len(list(capture)) == 3 and capture.stats.reconnects == 0
