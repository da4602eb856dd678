"""The examples do what they say, against sources that the test makes."""

import ast
import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import FRAMES, HEIGHT, RATE, WIDTH, mjpeg, screen

EXAMPLES = Path(__file__).parents[2] / "examples"
TEST_PICTURE = "pattern:?size=320x240&fps=25"


def run(name, *arguments, **more):
    command = [sys.executable, EXAMPLES / name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def jpegs(count):
    return [cv2.imencode(".jpg", np.full((240, 320, 3), 10 * number, np.uint8))[1].tobytes() for number in range(count)]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_fits_on_a_screen(path):
    older = ["classic_loop.py", "opencv_capture.py"]
    assert path.name in older or len(path.read_text().splitlines()) <= 48


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_without_arguments_says_in_a_line_how_it_is_called(path):
    for module in {"flask_mjpeg": "flask", "tkinter_window": "tkinter"}.get(path.stem, "cv2").split():
        pytest.importorskip(module)
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2) and "usage: " + path.name in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("\n") <= 4, done.stderr


def interrupted(name, *arguments):
    """How an example ends at Ctrl-C, once it has printed something."""
    command = [sys.executable, EXAMPLES / name, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert "Traceback" not in told and told.count("\n") <= 1, told
    return process.returncode


@pytest.mark.parametrize("name", ["frames.py", "detection_loop.py", "many_cameras.py"])
def test_ctrl_c_ends_an_example_without_a_traceback(name):
    assert interrupted(name, TEST_PICTURE) == -signal.SIGINT


def test_ctrl_c_ends_a_time_lapse_without_a_traceback(tmp_path):
    assert interrupted("timelapse.py", TEST_PICTURE, 0.1, tmp_path) == -signal.SIGINT


def test_a_loop_without_a_relay_says_so_in_a_line():
    done = subprocess.run(
        [sys.executable, EXAMPLES / "classic_loop.py", "http://127.0.0.1:1/cam.mjpeg"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "is headwater running" in done.stderr


def test_the_way_of_the_how_tos_and_ours_give_the_same_pictures(server):
    url = server.url("/camera", mjpeg(jpegs(12)))
    sys.path.insert(0, str(EXAMPLES))
    try:
        import before_after
    finally:
        sys.path.pop(0)
    # Ours gives the newest, so it may leave some out; what it gives is among theirs.
    theirs = {picture.tobytes() for picture in before_after.before(url)}
    ours = [picture.tobytes() for picture in before_after.after(url)]
    assert len(theirs) == 12 and 1 <= len(ours) <= 12 and theirs.issuperset(ours)
    assert run("before_after.py", url)[0] == "before: 12 pictures"


def test_the_tkinter_window_shows_pictures_until_q_is_pressed():
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    with screen() as environment:
        command = [sys.executable, EXAMPLES / "tkinter_window.py", TEST_PICTURE]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, text=True, env=environment, **pipes) as window:
            over = threading.Timer(60, window.kill)
            over.start()
            shown = [window.stdout.readline() for _ in range(3)]
            while window.poll() is None:
                keys = ["xdotool", "search", "--name", "pattern", "key", "--window", "%1", "q"]
                subprocess.run(keys, env=environment, capture_output=True)
                time.sleep(0.05)
            over.cancel()
            assert window.returncode == 0, window.stderr.read()
    assert all(re.fullmatch(r"frame \d+, \d+ ms old\n", line) for line in shown), shown


def test_the_page_of_flask_passes_the_cameras_own_jpegs_on(server):
    pytest.importorskip("flask")
    sent = jpegs(5)
    sys.path.insert(0, str(EXAMPLES))
    try:
        import flask_mjpeg
    finally:
        sys.path.pop(0)
    from werkzeug.serving import make_server

    flask_mjpeg.app.config["SOURCE"] = server.url("/camera", mjpeg(sent, then="stall"))
    page = make_server("127.0.0.1", 0, flask_mjpeg.app, threaded=True)
    thread = threading.Thread(target=page.serve_forever)
    thread.start()
    try:
        base = f"http://127.0.0.1:{page.server_port}"
        assert b"/video" in urllib.request.urlopen(base, timeout=20).read()
        with urllib.request.urlopen(base + "/video", timeout=20) as stream:
            assert stream.headers.get_content_type() == "multipart/x-mixed-replace"
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += stream.read(1)
            picture = stream.read(int(re.search(rb"Content-Length: (\d+)", head)[1]))
        assert picture in sent
    finally:
        page.shutdown()
        server.over.set()
        thread.join()
        page.server_close()


def test_the_cells_of_the_notebook_run_in_order():
    cells = json.loads((EXAMPLES / "jupyter.ipynb").read_text())["cells"]
    names, values = {}, []
    for cell in cells:
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            last = ast.Expression(tree.body.pop().value)
            exec(compile(tree, "cell", "exec"), names)
            values.append(eval(compile(last, "cell", "eval"), names))
    info, picture, (index, _), mean, state = values
    assert info.width == 320 and picture._repr_jpeg_()[:2] == b"\xff\xd8"
    assert index >= 49 and mean.shape == (3,) and state == "closed"


def test_four_cameras_become_one_picture(tmp_path, clips):
    urls = [f"pattern:?size=320x240&fps={rate}" for rate in (10, 25, 30)] + [clips("mpeg4.avi")]
    lines = run("four_cameras.py", "--frames", 3, "--out", tmp_path / "four.png", *urls)
    assert len(lines) == 4 and all(re.search(r": \d+ frames, \d+ left out", line) for line in lines), lines
    wall = cv2.imread(str(tmp_path / "four.png"))
    assert wall.shape == (480, 640, 3)
    assert all(part.any() for row in np.split(wall, 2) for part in np.split(row, 2, axis=1))


def test_the_detection_loop_finds_what_moves(tmp_path):
    lines = run("detection_loop.py", "--frames", 5, "--save", tmp_path / "%04d.png", TEST_PICTURE)
    assert len(lines) == 5 and any(int(re.search(r": (\d+) found", line)[1]) for line in lines), lines
    assert len(list(tmp_path.iterdir())) == 5


def test_what_is_recorded_lasts_as_long_as_the_source(tmp_path, clips):
    path = tmp_path / "out.avi"
    assert run("record.py", clips("h264.mp4"), path, 1) == [f"{RATE} frames at 25 a second"]
    capture = cv2.VideoCapture(str(path))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == RATE
    there, frame = capture.read()
    assert there and frame.shape == (HEIGHT, WIDTH, 3)
    assert run("record.py", TEST_PICTURE, tmp_path / "live.avi", 0.4)[0].endswith(" a second")


def test_twenty_cameras_in_one_event_loop():
    lines = run("many_cameras.py", "--frames", 2, *["pattern:?size=160x120&fps=5"] * 20)
    assert len(lines) == 40, lines


def test_a_picture_every_so_often(tmp_path):
    lines = run("timelapse.py", TEST_PICTURE, 0.2, tmp_path, 3)
    assert sorted(lines) == sorted(map(str, tmp_path.iterdir())) and len(lines) == 3
    assert all(cv2.imread(line).shape == (240, 320, 3) for line in lines)


def test_pictures_of_two_cameras_are_matched_by_their_time():
    lines = run("fusion_time.py", "--frames", 3, "--within", 0.05, TEST_PICTURE, "pattern:?size=160x120&fps=30")
    assert len(lines) == 3
    assert all(re.fullmatch(r"frames \d+ and \d+, [+-][\d.]+ ms by the cameras' clocks", line) for line in lines), lines


def test_a_program_of_opencv_changes_one_line(clips):
    size, count = run("opencv_drop_in.py", clips("wmv2.wmv"))
    assert size == f"{WIDTH}x{HEIGHT}, {RATE} a second"
    assert re.fullmatch(rf"{FRAMES} frames, \d+ pixels of edges in the last", count)
