"""`headwater.open` and what it gives."""

import asyncio
import datetime
import gc
import pickle
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import FRAMES, answer, mjpeg, silent

import headwater


def picture(value=0, size=(64, 160)):
    import cv2

    return cv2.imencode(".jpg", np.full((*size, 3), value, np.uint8))[1].tobytes()


def test_a_file_gives_every_frame_in_order(clips):
    with headwater.open(clips("h264.mp4")) as capture:
        assert len(capture) == FRAMES
        frames = [(frame.index, round(frame.pts * 25)) for frame in capture]
    assert frames == [(number, number) for number in range(FRAMES)]
    assert capture.closed and capture.state == "closed"


def test_a_live_source_gives_the_newest_and_none_twice():
    with headwater.open("pattern:?size=160x64&fps=100") as capture:
        first = capture.read()
        seen = {first.index}
        for _ in range(5):
            time.sleep(0.05)
            frame = capture.read()
            assert frame.index not in seen
            seen.add(frame.index)
        assert capture.stats.dropped > 0 and frame.dropped_before > 0
        assert capture.info.live and capture.state == "open"


def test_what_is_known_of_a_frame():
    with headwater.open("pattern:?size=160x64&fps=30") as capture:
        frame = capture.read()
    assert (frame.width, frame.height, frame.format, frame.shape) == (160, 64, "bgr24", (64, 160, 3))
    assert frame.key and not frame.corrupt and frame.index == 0 and frame.pts == 0.0
    assert 0 <= time.monotonic() - frame.received < 60 and frame.age >= 0
    assert abs(datetime.datetime.now(datetime.UTC) - frame.wall) < datetime.timedelta(minutes=1)
    assert frame.captured is None or frame.captured.tzinfo is not None


def test_arrays_are_made_once_and_without_a_copy():
    with headwater.open("pattern:?size=160x64") as capture:
        frame = capture.read()
    bgr = frame.bgr
    assert bgr is frame.bgr and np.shares_memory(np.asarray(frame), bgr) and frame[0, 0].base is not None
    assert bgr.dtype == np.uint8 and bgr.flags.writeable and bgr.flags.c_contiguous and not bgr.flags.owndata
    assert np.array_equal(frame.rgb, bgr[..., ::-1]) and frame.gray.shape == (64, 160)
    view = memoryview(bgr.base)
    assert view.shape == (64, 160, 3) and view.strides == (480, 3, 1) and not view.readonly
    bgr[0, 0] = (1, 2, 3)
    assert tuple(view[0, 0, channel] for channel in range(3)) == (1, 2, 3)
    own = frame.to_numpy("bgr24")
    assert not np.shares_memory(own, bgr)
    assert np.from_dlpack(frame).shape == (64, 160, 3)
    assert np.array(frame, dtype=np.float32).dtype == np.float32


def test_an_array_outlives_its_frame_and_its_capture():
    with headwater.open("pattern:?size=160x64") as capture:
        array = capture.read().bgr
    expected = array.copy()
    del capture
    gc.collect()
    with headwater.open("pattern:?size=160x64") as capture:
        for _ in range(5):
            assert capture.read().bgr.any()
    assert np.array_equal(array, expected)


@pytest.mark.parametrize(
    ("format", "shape"),
    [
        ("bgr24", (64, 160, 3)),
        ("rgb24", (64, 160, 3)),
        ("bgra", (64, 160, 4)),
        ("rgba", (64, 160, 4)),
        ("gray8", (64, 160)),
        ("luma8", (64, 160)),
        ("yuv420p", (96, 160)),
    ],
)
def test_formats_have_their_shapes(format, shape):
    with headwater.open("pattern:?size=160x64", format=format) as capture:
        frame = capture.read()
        assert np.asarray(frame).shape == frame.shape == shape and frame.format == format


def test_size_crop_and_every(clips):
    with headwater.open(clips("h264.mp4"), size=(160, 0), every=10) as capture:
        assert [(frame.index, frame.bgr.shape) for frame in capture] == [(n, (90, 160, 3)) for n in range(0, 50, 10)]
    with headwater.open(clips("h264.mp4"), crop=(10, 20, 30, 40)) as capture:
        assert capture.read().bgr.shape == (40, 30, 3)
    with headwater.open(clips("h264.mp4"), every=5.0) as capture:
        assert len(list(capture)) == 10


def test_the_cameras_own_jpeg_is_passed_on(server):
    sent = picture(77)
    url = server.url("/a", mjpeg([sent] * 2, "stall"))
    with headwater.open(url) as capture:
        frame = capture.read()
        assert frame.jpeg() == sent == frame._repr_jpeg_()
        assert frame.jpeg(50) != sent and frame.jpeg(50)[:2] == b"\xff\xd8"
    with headwater.open(url, size=(32, 0)) as capture:
        assert capture.read().jpeg() != sent
    with headwater.open(url, format="jpeg") as capture:
        assert np.asarray(capture.read()).tobytes() == sent


def test_pil(clips):
    with headwater.open(clips("mpeg4.avi")) as capture:
        frame = capture.read()
        image = frame.pil()
        assert image.size == (320, 180) and np.array_equal(np.asarray(image), frame.rgb)


def test_the_only_picture_of_a_camera_that_hangs_up_is_given(server):
    url = server.url("/x", mjpeg([picture(9, (1080, 1920))]))
    for reconnect in (False, True) * 5:
        with headwater.open(url, reconnect=reconnect) as capture:
            assert capture.read().bgr.shape == (1080, 1920, 3)


def test_seeking_is_exact(clips):
    with headwater.open(clips("h264.mp4")) as capture:
        frames = [frame.to_numpy() for frame in capture]
        for number in (0, 37, 12, 11, 49):
            capture.seek(number)
            frame = capture.read()
            assert frame.index == number and np.array_equal(frame.bgr, frames[number])
        capture.seek(1.0)
        assert capture.read().index == 25
        capture.seek(datetime.timedelta(seconds=0.4))
        assert capture.read().index == 10 and capture.position[0] == 11
        assert capture.count_frames() == FRAMES
    with headwater.open("pattern:?size=160x64") as capture, pytest.raises(headwater.Unsupported):
        capture.seek(3)


ERRORS = [
    (answer(401, "text/plain"), headwater.Unauthorized, PermissionError),
    (answer(404, "text/plain"), headwater.NotFound, FileNotFoundError),
    (answer(503, "text/plain"), headwater.ServerError, OSError),
    (answer(200, "text/html", b"<html><body>login</body></html>"), headwater.NotVideo, OSError),
]


@pytest.mark.parametrize(("page", "kind", "builtin"), ERRORS, ids=lambda value: getattr(value, "__name__", "page"))
def test_an_answer_that_is_no_video_has_its_exception(server, page, kind, builtin):
    url = server.url("/x", page, user="me:secret@")
    with pytest.raises(builtin) as raised:
        headwater.open(url)
    error = raised.value
    assert type(error) is kind and isinstance(error, headwater.Error)
    assert error.url.startswith("http://me:***@127.0.0.1") and "secret" not in f"{error} {error!r}"
    assert "\n" not in str(error) and error.elapsed > 0
    assert error.status == {"NotVideo": None, "Unauthorized": 401, "NotFound": 404, "ServerError": 503}[kind.__name__]


def test_nothing_there_has_its_exception():
    for source, kind, builtin in [
        ("/no/such/file.mp4", headwater.NotFound, FileNotFoundError),
        ("http://127.0.0.1:1/x", headwater.Refused, ConnectionRefusedError),
        ("nope://x", headwater.BadUrl, ValueError),
        (__file__, headwater.NotVideo, OSError),
    ]:
        with pytest.raises(builtin) as raised:
            headwater.open(source)
        assert type(raised.value) is kind, raised.value
    assert headwater.Refused.__mro__.index(headwater.Unreachable) < headwater.Refused.__mro__.index(ConnectionError)


def test_a_silent_server_ends_at_the_time_out(server):
    with pytest.raises(TimeoutError) as raised:
        headwater.open(server.url("/x", silent), timeout=1.0)
    error = raised.value
    assert isinstance(error, headwater.Timeout) and error.phase == "handshake" and error.elapsed >= 1.0
    assert error.hint and str(error).endswith(error.hint)


def test_a_stall_ends_at_the_time_out(server):
    with headwater.open(server.url("/x", mjpeg([picture()], "stall")), timeout=60) as capture:
        capture.read()
        capture.timeout = 0.2
        with pytest.raises(TimeoutError):
            capture.read()
        with pytest.raises(TimeoutError):
            capture.read(timeout=0.05)
        assert capture.latest() is None and capture.poll() is None


def test_errors_can_be_sent_to_other_processes():
    with pytest.raises(headwater.Refused) as raised:
        headwater.open("http://127.0.0.1:1/x")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.hint, again.phase, type(again)) == (
        str(raised.value),
        raised.value.hint,
        raised.value.phase,
        headwater.Refused,
    )


def test_options_that_make_no_sense_are_named():
    for options, word in [({"format": "rgb48"}, "rgb48"), ({"skip": "all"}, "skip"), ({"timeout": -1.0}, "timeout")]:
        with pytest.raises(ValueError, match=word):
            headwater.open("pattern:", **options)
    with pytest.raises(TypeError, match="source"):
        headwater.open(1.5)
    with pytest.raises(TypeError):
        headwater.open("pattern:", no_such_option=1)


def test_close_ends_a_read_of_another_thread(server):
    capture = headwater.open(server.url("/x", mjpeg([picture()], "stall")), timeout=60)
    capture.read()
    raised = []

    def read():
        try:
            capture.read()
        except headwater.CaptureClosed as error:
            raised.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    capture.close()
    for reader in readers:
        reader.join(10)
    assert len(raised) == 3


def test_any_number_of_threads_may_read_one_capture(clips):
    seen = []
    with headwater.open(clips("h264.mp4")) as capture:
        readers = [threading.Thread(target=lambda: seen.extend((f.index, f.bgr.shape) for f in capture)) for _ in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(30)
    assert sorted(index for index, _ in seen) == list(range(FRAMES))


@pytest.mark.parametrize("what", ["open", "read"])
def test_ctrl_c_ends_a_wait(server, what):
    url = server.url("/x", silent if what == "open" else mjpeg([picture()], "stall"))
    program = (
        "import headwater, sys\n"
        "try:\n"
        "    print('ready', flush=True)\n"
        f"    cap = headwater.open({url!r}, timeout=None)\n"
        "    cap.read(); print('one', flush=True); cap.read()\n"
        "except KeyboardInterrupt: sys.exit(7)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        if what == "read":
            assert child.stdout.readline() == "one\n"
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 7


def test_wait_any_gives_those_that_have_a_frame(clips, server):
    stalled = headwater.open(server.url("/x", mjpeg([picture()], "stall")), timeout=60)
    stalled.read()
    ended = headwater.open(clips("mpeg4.avi"))
    assert len(list(ended)) == FRAMES
    quick = headwater.open("pattern:?size=160x64&fps=50")
    for _ in range(3):
        assert [capture for capture, _ in headwater.wait_any([stalled, ended, quick], timeout=20)] == [quick]
    assert headwater.wait_any([stalled], timeout=0.05) == [] == headwater.wait_any([ended])
    for capture in (stalled, quick):
        capture.close()


def test_async_for_reads_to_the_end(clips):
    async def indices(name):
        async with await headwater.aopen(clips(name)) as capture:
            return [frame.index async for frame in capture]

    async def main():
        return await asyncio.gather(*(indices(name) for name in ("h264.mp4", "mpeg4.avi", "mjpeg.avi")))

    assert asyncio.run(main()) == [list(range(FRAMES))] * 3


def test_async_reads_wait_for_live_frames_and_time_out(server):
    async def main():
        with headwater.open("pattern:?size=160x64&fps=50") as capture:
            frames = await asyncio.gather(*(capture.aread() for _ in range(4)))
            assert len({frame.index for frame in frames}) == 4
        with headwater.open(server.url("/x", mjpeg([picture()], "stall"))) as capture:
            await capture.aread()
            with pytest.raises(TimeoutError):
                await capture.aread(timeout=0.1)
            waiting = asyncio.ensure_future(capture.aread(timeout=60))
            await asyncio.sleep(0)
            capture.close()
            with pytest.raises(headwater.CaptureClosed):
                await waiting

    asyncio.run(main())


def test_nothing_is_written_to_stderr_unless_logging_is_set_up(server):
    url = server.url("/x", mjpeg([b"\xff\xd8 no picture \xff\xd9"] * 3))
    program = (
        "import headwater, sys\n"
        f"for source in ({url!r}, 'http://127.0.0.1:1/', '/no/file'):\n"
        "    assert not headwater.VideoCapture(source).isOpened()\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")
    logged = "import logging; logging.basicConfig(level='INFO')\n" + program
    run = subprocess.run([sys.executable, "-c", logged], capture_output=True, text=True, check=True)
    assert "WARNING:headwater:127.0.0.1:1: connection refused" in run.stderr


def test_numpy_is_not_imported_before_it_is_needed():
    program = "import headwater, sys; assert not {'numpy', 'asyncio', 'PIL', 'cv2'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_probe_and_paths_and_credentials(clips, tmp_path):
    from pathlib import Path

    info = headwater.probe(Path(clips("h264.mp4")))
    assert (info.codec, info.width, info.height, info.fps, info.frames) == ("h264", 320, 180, 25.0, 50)
    assert info.seekable and not info.live and info.duration == pytest.approx(2.0)
    with pytest.raises(headwater.Refused) as raised:
        headwater.open("http://127.0.0.1:1/x", user="me", password="p@ss/w:rd#1")
    assert raised.value.url == "http://me:***@127.0.0.1:1/x"


def test_the_log_of_a_source_reaches_python(server, caplog):
    caplog.set_level("INFO", logger="headwater")
    with headwater.open(server.url("/x", mjpeg([picture()] * 2, "stall")), timeout=(10, 0.3)) as capture:
        capture.read()
        until = time.monotonic() + 20
        while not any(record.name.startswith("headwater.") for record in caplog.records):
            assert time.monotonic() < until
            time.sleep(0.01)


def test_opening_and_closing_leaves_nothing_behind(clips):
    import os

    def once():
        for source in (clips("mpeg4.avi"), "pattern:"):
            with headwater.open(source) as capture:
                capture.waker()
                capture.read()

    def threads():
        return len(os.listdir("/proc/self/task"))

    once()
    files, before = len(os.listdir("/proc/self/fd")), threads()
    for _ in range(20):
        once()
    gc.collect()
    until = time.monotonic() + 20
    while threads() > before or len(os.listdir("/proc/self/fd")) > files:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_capture_that_is_left_open_does_not_hold_up_the_end_of_the_program(clips):
    program = (
        "import headwater\n"
        f"caps = [headwater.open(source) for source in ('pattern:', {clips('mpeg4.avi')!r})]\n"
        "frames = [cap.read().bgr for cap in caps]\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_ffmpeg_in_use_tells_its_version_and_licence():
    assert re.fullmatch(r"libavformat \d+\.\d+\.\d+, .*version .* or later", headwater.__ffmpeg__)


def test_one_capture_instead_of_a_list_is_refused_and_not_read_to_its_end():
    with headwater.open("pattern:") as capture, pytest.raises(TypeError, match="a list of captures"):
        headwater.wait_any(capture)


def test_numbers_of_numpy_are_places_and_cameras(clips):
    with headwater.open(clips("h264.mp4")) as capture:
        for to, index in ((np.int64(7), 7), (np.float64(1), 25), (np.float32(1), 25)):
            capture.seek(to)
            assert capture.read().index == index
        with pytest.raises(headwater.Ended):
            capture.seek(1 << 70)
            capture.read()
        with pytest.raises(ValueError, match="from 0"):
            capture.seek(-1)
    with pytest.raises(headwater.NotFound, match="/dev/video77"):
        headwater.open(np.int64(77))


@pytest.mark.parametrize(
    "options, kind",
    [
        ({"size": (-1, 5)}, ValueError),
        ({"buffer": -1}, ValueError),
        ({"stream": -1}, ValueError),
        ({"threads": 1 << 80}, ValueError),
        ({"size": 10}, TypeError),
        ({"timeout": (1,)}, TypeError),
        ({"timeout": "3"}, TypeError),
        ({"on_state": 3}, TypeError),
    ],
)
def test_a_value_that_cannot_be_is_told_with_the_name_of_its_option(options, kind):
    with pytest.raises(kind, match=f"^{next(iter(options))}: "):
        headwater.open("pattern:", **options)
