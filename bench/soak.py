"""soak.py CLIP.h264 [CLIP...]: an hour of cameras that stall, hang up and lie, watched for growth.

One process is the HTTP camera, another one the RTSP camera, which is killed every few
seconds; this one is the program that uses `headwater`. Some captures stay open
for the whole time and are lost and opened again by themselves; others are opened, read and
closed, over and over, also where nothing can be opened. Memory, threads and open files are
sampled sixty times. At the end everything is closed, and what is left must be what was there
before. SOAK_SECONDS (3600) is for how long. The status is 1 when something grew.
"""

import contextlib
import ctypes
import gc
import http.server
import itertools
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time

SECONDS = float(os.environ.get("SOAK_SECONDS", "3600"))
SAMPLES = 60
# What may be added between the second quarter and the last: allocators settle, and a sample
# may fall into a moment with more captures open than another one's.
MOST = {"MB": 6.0, "threads": 6, "files": 6}
LASTING = ["/stall", "/hangup", "/cut", "/garbage", "/stall", "/mixed"]
PASSING = ["/good", "/cut", "/garbage", "/404", "/page", "/silent"]


# The camera.


def pictures():
    """JPEGs of some kilobytes in two sizes, made by the module itself."""
    import headwater

    made = []
    for size in ["320x240", "160x120"]:
        with headwater.open(f"pattern:?size={size}", latest=False) as capture:
            made.append([capture.read().jpeg() for _ in range(5)])
    return made


class Camera(http.server.BaseHTTPRequestHandler):
    pictures: list

    def do_GET(self):
        with contextlib.suppress(OSError):
            kind = self.path.strip("/")
            if kind == "mixed":
                kind = random.choice(["stall", "hangup", "cut", "garbage", "silent", "404"])
            if kind == "silent":
                time.sleep(2)
            elif kind == "404":
                self.send_error(404)
            elif kind == "page":
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<html>Log in, please.</html>" * 20)
            else:
                self.film(kind)
        self.close_connection = True

    def film(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
        self.end_headers()
        film = itertools.cycle(random.choice(self.pictures))
        for _ in range(1000 if kind == "good" else random.randint(3, 12)):
            self.part(next(film))
            if kind == "garbage":
                self.wfile.write(random.randbytes(random.randint(1, 3000)))
            time.sleep(0.02)
        if kind == "stall":
            time.sleep(1.5)
        elif kind == "cut":
            self.wfile.write(next(film)[:1000])

    def part(self, picture):
        self.wfile.write(b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture) + picture + b"\r\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # who hangs up before the answer is what this is about


def camera():
    Camera.pictures = pictures()
    server = Server(("127.0.0.1", 0), Camera)
    print(server.server_port, flush=True)
    # Ends with the one that reads what was printed.
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


# The program that is watched.


class Count:
    """How often what happened, by name."""

    def __init__(self):
        self.lock, self.of = threading.Lock(), {}

    def one(self, name):
        with self.lock:
            self.of[name] = self.of.get(name, 0) + 1


def last(url, over, count, captures):
    """One capture for the whole time; it is never to fail."""
    import headwater

    while not over.is_set():
        try:
            capture = headwater.open(url, timeout=(20, 0.4), reconnect=True)
            break
        except headwater.Error:
            time.sleep(0.1)  # even the first answer may be a bad one
    with capture:
        captures.append(capture)
        while not over.is_set():
            try:
                assert capture.read(timeout=30).bgr.size
                count.one("frames")
            except headwater.CaptureClosed:
                return
            except headwater.Error:
                # In vain for so long, for whatever reason; it is opened again all the same.
                assert capture.state not in ("ended", "closed")
                count.one("waits")


def passing(sources, over, count):
    """Opens, reads and closes one after another, by both faces."""
    import headwater

    for number in itertools.count():
        if over.is_set():
            return
        source = sources[number % len(sources)]
        try:
            if number % 3 == 0:
                capture = headwater.VideoCapture(source, timeout=0.5)
                count.one("opened" if capture.read()[0] else "refused")
                capture.release()
            else:
                with headwater.open(source, timeout=0.5, reconnect=False) as capture:
                    for frame in itertools.islice(capture, 3):
                        assert frame.bgr.size
                count.one("opened")
        except headwater.Error as error:
            count.one("opened, then lost" if isinstance(error, headwater.Ended) else "refused")
        time.sleep(0.01)


def sample():
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {
        "MB": int(status["VmRSS"].split()[0]) / 1024,
        "threads": int(status["Threads"]),
        "files": len(os.listdir("/proc/self/fd")),
    }


def closed_port():
    """Nobody listens there, for as long as the socket is kept."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s, s.getsockname()[1]


def rtsp_camera(port, clip, over):
    """A camera that is switched off and on again every few seconds."""
    command = [sys.executable, os.path.join(os.path.dirname(__file__), "rtsp_camera.py"), str(port), clip, os.devnull]
    while not over.is_set():
        process = subprocess.Popen(command)
        over.wait(random.uniform(4, 8))
        process.kill()
        process.wait()
        over.wait(0.5)


def wait_for_rest(before, seconds=10):
    """What is left once threads had the time to end."""
    end = time.monotonic() + seconds
    while True:
        left = sample()
        if time.monotonic() > end or all(left[what] <= before[what] for what in ("threads", "files")):
            return left
        time.sleep(0.2)


def main():
    import headwater

    cam = subprocess.Popen([sys.executable, "-P", __file__, "--camera"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    base = f"http://127.0.0.1:{int(cam.stdout.readline())}"
    kept, port = closed_port()
    film, *clips = sys.argv[1:]
    free = socket.create_server(("127.0.0.1", 0))
    rtsp_port = free.getsockname()[1]
    free.close()
    rtsp = f"rtsp://127.0.0.1:{rtsp_port}/x"
    sources = [base + path for path in PASSING]
    sources += [rtsp, f"rtsp://127.0.0.1:{port}/x", "pattern:?size=160x120", "/nowhere.mp4", *clips]
    with headwater.open("pattern:?size=160x120") as capture:
        assert capture.read().bgr.size  # what is made once and stays
    time.sleep(0.5)
    before = sample()

    count, over, captures = Count(), threading.Event(), []
    jobs = [threading.Thread(target=last, args=(base + path, over, count, captures)) for path in LASTING]
    jobs += [threading.Thread(target=rtsp_camera, args=(rtsp_port, film, over))]
    jobs += [threading.Thread(target=last, args=(rtsp, over, count, captures))]
    jobs += [threading.Thread(target=passing, args=(sources, over, count)) for _ in range(3)]
    for job in jobs:
        job.start()
    print(f"soak: {SECONDS:.0f} s, {headwater.__ffmpeg__}, Python {sys.version.split()[0]}; before: {before}")
    columns = ["seconds", "MB", "threads", "files", "opened", "refused", "frames", "reconnects"]
    print("".join(f"{name:>11}" for name in columns), flush=True)
    samples, began = [], time.monotonic()
    for number in range(1, SAMPLES + 1):
        time.sleep(max(0.0, began + SECONDS * number / SAMPLES - time.monotonic()))
        now = sample()
        samples.append(now)
        now |= {"seconds": time.monotonic() - began, "reconnects": sum(each.stats.reconnects for each in captures)}
        now |= {name: count.of.get(name, 0) for name in ("opened", "refused", "frames")}
        print("".join(f"{now[name]:>11.1f}" if name == "MB" else f"{now[name]:>11.0f}" for name in columns), flush=True)

    wrong = [] if all(job.is_alive() for job in jobs) else ["a thread ended by an exception"]
    over.set()
    for capture in captures:
        capture.close()
    for job in jobs:
        job.join(60)
    captures.clear()
    left = wait_for_rest(before)
    cam.stdin.close()
    cam.wait(10)
    kept.close()

    quarter = SAMPLES // 4
    for what, most in MOST.items():
        early = statistics.median(each[what] for each in samples[quarter : 2 * quarter])
        late = statistics.median(each[what] for each in samples[-quarter:])
        print(f"{what}: {early:.1f} in the second quarter, {late:.1f} in the last; {before[what]:.1f} before, {left[what]:.1f} after")
        if late - early > most:
            wrong.append(f"{what} grew by {late - early:.1f}")
    wrong += [f"{left[what]} {what} are left of {before[what]}" for what in ("threads", "files") if left[what] > before[what]]
    print(dict(sorted(count.of.items())))
    print(f"soak: {'; '.join(wrong)}" if wrong else "soak: nothing grew")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(camera() if "--camera" in sys.argv else main())
