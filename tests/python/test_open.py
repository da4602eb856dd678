"""Arguments of `headwater.open`: what can be opened, and what is done with it."""

import asyncio
import io
import subprocess
import threading
import time
import zipfile

import numpy as np
import pytest
from conftest import FRAMES, HEIGHT, WIDTH, mjpeg

import headwater


def picture(value=0):
    import cv2

    return cv2.imencode(".jpg", np.full((64, 160, 3), value, np.uint8))[1].tobytes()


def numbers(source):
    with headwater.open(source) as capture:
        return [frame.index for frame in capture]


def test_bytes_and_open_files_are_recordings(clips, tmp_path):
    path = clips("h264.mp4")
    with open(path, "rb") as file:
        data = file.read()
        file.seek(1000)
        assert numbers(file) == list(range(FRAMES)), "from its begin, wherever it stands"
        assert file.tell() == 1000
    archive = tmp_path / "clips.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("a.mp4", data)
    with zipfile.ZipFile(archive) as zipped, zipped.open("a.mp4") as member:
        assert numbers(member) == list(range(FRAMES))
    for source in (data, bytearray(data), memoryview(data), io.BytesIO(data)):
        assert numbers(source) == list(range(FRAMES))
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
        assert numbers(cat.stdout) == list(range(FRAMES))
    assert headwater.probe(data).codec == "h264"


def test_bytes_can_be_sought_in_after_nobody_else_has_them(clips):
    with open(clips("h264.mp4"), "rb") as file:
        capture = headwater.open(file.read())
    capture.seek(40)
    assert capture.read().index == 40
    capture.seek(3)
    assert capture.read().index == 3
    capture.close()


def test_what_is_wrong_with_bytes_is_said_of_bytes(tmp_path):
    with pytest.raises(headwater.NotVideo, match="<bytes>") as raised:
        headwater.open(b"no video at all " * 100)
    assert raised.value.url == "<bytes>" and "/proc" not in str(raised.value)
    with pytest.raises(TypeError, match="rb"):
        headwater.open(io.StringIO("text"))
    with pytest.raises(TypeError, match="bytes"):
        headwater.open(object())


def test_no_descriptor_is_left_behind(clips):
    import os

    def count():
        return len(os.listdir("/proc/self/fd"))

    with open(clips("mpeg4.avi"), "rb") as file:
        data = file.read()
    headwater.open(data).close()
    before = count()
    for _ in range(5):
        with headwater.open(data) as capture:
            capture.read()
        del capture
        with pytest.raises(headwater.NotVideo):
            headwater.open(b"nothing")
    until = time.monotonic() + 20
    while count() > before:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_pixels_can_be_read_into_an_array_that_is_there(clips):
    with headwater.open(clips("mpeg4.avi")) as capture, headwater.open(clips("mpeg4.avi")) as again:
        out = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        for expected in again:
            frame = capture.read(out)
            assert frame.bgr is out and np.array_equal(out, expected.bgr) and frame.index == expected.index
        capture.seek(0)
        grey = np.zeros((HEIGHT, WIDTH), np.uint8)
        frame = capture.read()
        assert frame.to_numpy("gray8", out=grey) is grey and np.array_equal(frame.gray, grey) and grey.any()
        whole = np.empty((HEIGHT, 2 * WIDTH, 3), np.uint8)
        frozen = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        frozen.flags.writeable = False
        for wrong in (grey, whole, whole[:, :WIDTH], frozen):
            with pytest.raises((ValueError, BufferError)):
                frame.to_numpy("bgr24", out=wrong)
        with pytest.raises((TypeError, BufferError)):
            frame.to_numpy("bgr24", out=out.astype(np.float32))


def test_a_frame_in_another_size(clips):
    with headwater.open(clips("turned.mp4")) as capture:
        frame = capture.read()
    assert frame.shape == (320, 180, 3)
    smaller = frame.resized(90, 0)
    assert smaller.shape == smaller.bgr.shape == (160, 90, 3) and smaller.index == frame.index
    assert smaller.pil().size == (90, 160) and frame.bgr.shape == (320, 180, 3)
    with pytest.raises(ValueError, match="8192"):
        frame.resized(0, 9000)


def test_one_of_several_video_tracks_is_chosen(clips, tmp_path):
    path = tmp_path / "two.mkv"
    inputs = ["-i", clips("h264.mp4"), "-i", clips("mpeg4.avi")]
    copied = ["-map", "0:v", "-map", "1:v", "-c", "copy", path]
    subprocess.run(["ffmpeg", "-loglevel", "error", *inputs, *copied], check=True)
    for stream, codec in ((None, "h264"), (0, "h264"), (1, "mpeg4")):
        with headwater.open(path, stream=stream) as capture:
            assert capture.info.codec == codec and [frame.index for frame in capture] == list(range(FRAMES))
            capture.seek(17)
            assert capture.read().index == 17
    with headwater.open(path, stream=1, real_time=True) as capture:
        assert capture.info.codec == "mpeg4" and capture.read().bgr.any()
    with pytest.raises(headwater.NotVideo, match="track 2"):
        headwater.open(path, stream=2)


def states(server, page, raises=False, **options):
    """What becomes of a capture of `page`, and the function that waits for one of them."""
    seen, changed = [], threading.Condition()

    def on_state(state):
        with changed:
            seen.append(state)
            changed.notify_all()
        if raises:
            raise RuntimeError("callbacks may fail")

    def until(*wanted):
        with changed:
            assert changed.wait_for(lambda: list(wanted) == seen[: len(wanted)], 30), seen

    return headwater.open(server.url("/x", page), on_state=on_state, **options), until


def test_a_program_is_told_what_becomes_of_a_source(server, caplog):
    capture, until = states(server, mjpeg([picture()] * 2, "stall"), raises=True, timeout=60)
    until("connecting", "open", "stalled")
    capture.close()
    until("connecting", "open", "stalled", "closed")
    assert "on_state('open') failed" in caplog.text


def test_a_capture_that_nobody_has_any_more_is_told_closed(server):
    capture, until = states(server, mjpeg([picture()], "stall"), timeout=60)
    until("connecting", "open")
    del capture
    until("connecting", "open", "closed")


def test_a_program_is_told_of_a_failure_too():
    seen = []
    with pytest.raises(headwater.Refused):
        headwater.open("http://127.0.0.1:1/x", on_state=seen.append)
    assert seen == ["connecting", "closed"]


def test_a_source_is_opened_again_as_it_is_told(server):
    again = headwater.Reconnect(first=0.01, max=0.02, attempts=2)
    with headwater.open(server.url("/x", mjpeg([picture(1)] * 2)), reconnect=again, latest=False) as capture:
        frames = [capture.read() for _ in range(8)]
        assert capture.stats.reconnects >= 1
    assert [a.pts < b.pts for a, b in zip(frames, frames[1:])] == [True] * 7
    assert any(frame.discontinuity for frame in frames[1:]) and not frames[0].discontinuity


def test_a_source_is_given_up_after_so_many_attempts(server):
    served = []

    def once(handler):
        served.append(1)
        if len(served) == 1:
            mjpeg([picture()] * 2)(handler)
        else:
            handler.send_error(503)

    again = headwater.Reconnect(first=0.01, attempts=3)
    with headwater.open(server.url("/x", once), reconnect=again) as capture:
        with pytest.raises(headwater.ServerError) as raised:
            for _ in capture:
                pass
        assert raised.value.status == 503 and len(served) == 4 and capture.state == "ended"


def stalls_at_first(served):
    def page(handler):
        served.append(1)
        mjpeg([picture(len(served))] * 2, "stall")(handler)

    return page


def test_a_loop_over_a_camera_goes_on_after_a_stall_and_a_read_ends_in_time(server):
    again, served = headwater.Reconnect(first=0.01), []
    with headwater.open(server.url("/x", stalls_at_first(served)), timeout=(10, 0.3), reconnect=again) as capture:
        for frame in capture:
            if len(served) == 3:
                break
        assert frame.index >= 2 and "no picture in time" in capture.stats.last_error
        with pytest.raises(headwater.Timeout):
            while True:
                capture.read(timeout=0.01)
    served.clear()

    async def over():
        with headwater.open(server.url("/x", stalls_at_first(served)), timeout=(10, 0.3), reconnect=again) as capture:
            async for _ in capture:
                if len(served) == 3:
                    return

    asyncio.run(over())


def test_a_loop_over_a_camera_that_is_not_opened_again_ends_at_a_stall(server):
    url = server.url("/x", mjpeg([picture()] * 2, "stall"))
    with headwater.open(url, timeout=(10, 0.3), reconnect=False) as capture, pytest.raises(headwater.Timeout):
        for _ in capture:
            pass


def test_a_read_whose_time_is_up_is_a_timeout_that_says_why_the_source_is_gone():
    with headwater.open("http://127.0.0.1:1/x", wait=False) as capture:
        until = time.monotonic() + 20
        while capture.stats.last_error is None and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(TimeoutError) as raised:
            capture.read(timeout=0.5)
    assert "connection refused" in str(raised.value) and "is the camera on" in raised.value.hint


def test_a_program_is_a_source_only_where_that_is_allowed(clips):
    source = f"exec:ffmpeg -loglevel error -i {clips('h264.mp4')} -c copy -f mpegts -"
    with pytest.raises(headwater.BadUrl) as raised:
        headwater.open(source)
    assert raised.value.hint == "allow_exec=True allows it" and "--" not in str(raised.value)
    with headwater.open(source, allow_exec=True, latest=False, reconnect=False) as capture:
        assert capture.read().shape == (HEIGHT, WIDTH, 3)


def test_a_source_is_not_opened_again_after_what_it_is_not_told(server):
    again = headwater.Reconnect(on="stall")
    with headwater.open(server.url("/x", mjpeg([picture()] * 2)), reconnect=again) as capture:
        with pytest.raises(headwater.Error):
            while True:
                capture.read()
        assert capture.state == "ended"
    for wrong in ({"on": "sometimes"}, {"factor": 0.5}, {"first": -1}, {"jitter": 2}, {"attempts": -1}):
        with pytest.raises(ValueError):
            headwater.Reconnect(**wrong)


def test_a_jpeg_that_nobody_looks_at_is_not_decoded(server):
    """Seen by that its damage is not known before."""
    import cv2

    noise = np.random.default_rng(3).integers(0, 255, (240, 320, 3), np.uint8)
    good = cv2.imencode(".jpg", noise)[1].tobytes()
    damaged = good[: len(good) // 2] + b"\xff\xd9"
    go_on = threading.Event()

    def page(handler):
        mjpeg([good])(handler)
        go_on.wait(30)
        for picture in (damaged, good):
            handler.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n")
            handler.wfile.flush()
            time.sleep(0.2)
        handler.stall()

    with headwater.open(server.url("/x", page), latest=True, timeout=60) as capture:
        frame = capture.read()
        assert not frame.corrupt and np.array_equal(frame.bgr, cv2.imdecode(np.frombuffer(good, np.uint8), 1))
        go_on.set()
        frame = capture.read()
        assert capture.stats.corrupt == 0 and frame.jpeg() == damaged
        assert frame.corrupt and capture.stats.corrupt == 1 and frame.bgr.shape == (240, 320, 3)
        frame = capture.read()
        assert np.array_equal(frame.bgr, cv2.imdecode(np.frombuffer(good, np.uint8), 1))
        assert frame.resized(160, 0).rgb.shape == (120, 160, 3) and not frame.corrupt
    go_on.clear()
    threading.Timer(0.3, go_on.set).start()
    with headwater.open(server.url("/x", page), latest=True, corrupt="drop", timeout=60) as capture:
        assert [capture.read().corrupt for _ in range(2)] == [False, False] and capture.stats.corrupt == 1
    go_on.clear()
    threading.Timer(0.3, go_on.set).start()
    with headwater.open(server.url("/x", page), format="jpeg", timeout=60) as capture:
        assert [np.asarray(capture.read()).tobytes() for _ in range(3)] == [good, damaged, good]
        assert capture.stats.corrupt == 0


def ranges(data, asked):
    """A server of files that gives parts of them."""

    def page(handler):
        wanted = handler.headers.get("Range", "bytes=0-").partition("=")[2].partition("-")[0]
        start = int(wanted or 0)
        asked.append(start)
        handler.send_response(206)
        handler.send_header("Content-Type", "video/mp4")
        handler.send_header("Accept-Ranges", "bytes")
        handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        handler.wfile.write(data[start:])

    return page


def test_a_recording_on_a_server_gives_every_frame_and_can_be_sought_in(clips, server):
    with open(clips("h264.mp4"), "rb") as file:
        url = server.url("/clip.mp4", ranges(file.read(), []))
    with headwater.open(url, latest=False) as capture:
        assert len(capture) == FRAMES and capture.info.seekable and not capture.info.live
        assert [frame.index for frame in capture] == list(range(FRAMES))
        capture.seek(40)
        assert capture.read().index == 40
    there = headwater.VideoCapture(url, latest=False)
    assert there.get(7) == FRAMES and there.set(1, 17) and there.read()[0] and there.get(1) == 18


def test_what_is_not_there_on_a_server_is_said_as_of_cameras(server):
    def missing(handler):
        handler.send_error(404)

    with pytest.raises(FileNotFoundError):
        headwater.open(server.url("/clip.mp4", missing), latest=False)
    with headwater.open(server.url("/live.mp4", mjpeg([picture()] * 2, "stall")), timeout=30) as capture:
        assert capture.read().shape == (64, 160, 3) and capture.info.live
