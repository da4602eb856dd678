"""Clips that FFmpeg makes, and servers that behave as they are told."""

import contextlib
import http.server
import itertools
import os
import shutil
import struct
import subprocess
import threading

import pytest

WIDTH, HEIGHT, FRAMES, RATE = 320, 180, 50, 25

H264 = ["-c:v", "libx264", "-g", "12", "-bf", "2", "-pix_fmt", "yuv420p"]
KINDS = {
    "h264.mp4": H264,
    "h264.ts": H264,
    "h264-422.mkv": ["-c:v", "libx264", "-pix_fmt", "yuv422p"],
    "hevc.mp4": ["-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p"],
    "mpeg4.avi": ["-c:v", "mpeg4", "-q:v", "3"],
    "wmv2.wmv": ["-c:v", "wmv2", "-q:v", "3"],
    "mjpeg.avi": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "3"],
    "odd.mp4": ["-c:v", "mpeg4", "-q:v", "3", "-vf", "scale=321:179"],
}


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Gives the path of a clip by its name."""
    folder = tmp_path_factory.mktemp("clips")
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg, "ffmpeg is missing"
    source = ["-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate={RATE}", "-frames:v", str(FRAMES)]

    def clip(name):
        path = folder / name
        if path.exists():
            pass
        elif name == "turned.mp4":
            turn(clip("h264.mp4"), path)
        else:
            subprocess.run([ffmpeg, "-loglevel", "error", *source, *KINDS[name], path], check=True)
        return str(path)

    return clip


def turn(source, path):
    """A copy of an MP4 whose track asks to be turned by 90 degrees."""
    with open(source, "rb") as file:
        data = bytearray(file.read())
    matrix = data.index(b"tkhd") + 44
    one = 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, HEIGHT * one, 0, 1 << 30)
    path.write_bytes(data)


@pytest.fixture
def server():
    with Server() as running:
        yield running


class Server:
    """Answers each path with what is registered for it: a function of the handler."""

    def __enter__(self):
        self.pages = {}
        pages, over = self.pages, threading.Event()
        self.over = over

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                with contextlib.suppress(OSError):
                    pages[self.path.partition("?")[0]](self)
                self.close_connection = True

            def log_message(self, *_):
                pass

            def stall(self):
                over.wait(60)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def url(self, path, page, user=""):
        self.pages[path] = page
        return f"http://{user}127.0.0.1:{self.http.server_port}{path}"


def answer(status, kind, body=b""):
    def page(handler):
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return page


def silent(handler):
    """Takes the request and says nothing."""
    handler.stall()


def mjpeg(pictures, then="close"):
    """A camera that sends `pictures`, then hangs up or says nothing more."""

    def page(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        for picture in pictures:
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            handler.wfile.write(head.encode() + picture + b"\r\n")
        handler.wfile.flush()
        if then == "stall":
            handler.stall()

    return page


screens = itertools.count()


@contextlib.contextmanager
def screen():
    """An X server that nobody sees: the environment for programs that open windows on it."""
    server = shutil.which("Xvfb")
    assert server, "Xvfb is missing"
    number, told = os.pipe()
    # A number of our own: an Xvfb that looks for a free one can lose its socket to another that is just ending.
    wanted = f":{100 + os.getpid() % 5_000 * 10 + next(screens) % 10}"
    command = [server, wanted, "-displayfd", str(told), "-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset"]
    with subprocess.Popen(command, pass_fds=[told], stderr=subprocess.DEVNULL) as running:
        os.close(told)
        with os.fdopen(number) as display:
            environment = {**os.environ, "DISPLAY": ":" + display.readline().strip()}
        environment.pop("WAYLAND_DISPLAY", None)
        try:
            yield environment
        finally:
            running.terminate()
