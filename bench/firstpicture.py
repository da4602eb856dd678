"""(l) The first picture of an RTSP camera after a cold start, beside the programs that people use for it.

The camera sends a keyframe every 2 s and logs the time of each, so the wait for the first of them
is told apart from what a program adds to it. Each sample is a fresh process that comes at another
moment of the 2 s; the order of the programs turns each round. What counts is a whole picture: the
last byte of a JPEG, or an array in hand.
"""

import random
import subprocess
import tempfile

from lib import *

# Loaded and waiting when the clock starts, so that no import is measured.
OPENCV = """
import os, sys, time
os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"
import cv2
print("ready", flush=True)
sys.stdin.readline()
capture = cv2.VideoCapture(sys.argv[1], cv2.CAP_FFMPEG)
ok, picture = capture.read()
print(time.monotonic_ns() // 1000 if ok else 0, flush=True)
"""


def grab(url):
    return to_jpeg([HEADWATER, "grab", url, "-o", "-", "--transport", "tcp"])


def ffmpeg(url, *options):
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-rtsp_transport", "tcp", *options, "-i", url]
    return to_jpeg([*command, "-an", "-frames:v", "1", "-q:v", "5", "-f", "image2pipe", "-c:v", "mjpeg", "-"])


def gstreamer(url, *options):
    where = ["rtspsrc", f"location={url}", "protocols=tcp", *options]
    return to_jpeg(["gst-launch-1.0", "-q", *where, "!", "decodebin", "!", "videoconvert", "!", "jpegenc", "!", "fdsink"])


def to_jpeg(command):
    """When a program has written its first JPEG whole."""
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=open(WORK / "stderr.log", "a")) as process:
        came = b""
        while b"\xff\xd9" not in came:
            data = process.stdout.read1(1 << 20)
            if not data:
                process.kill()
                return None
            # The end may lie across two reads.
            came = came[-1:] + data
        at = now_us()
        process.kill()
        return at


def opencv(python, url):
    with subprocess.Popen([python, "-P", "-c", OPENCV, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        begin = now_us()
        process.stdin.write("\n")
        process.stdin.flush()
        at = int(process.stdout.readline() or 0)
        process.kill()
        return begin, at or None


def relay(url):
    """The whole relay: a source that nobody has asked for, and its first picture by HTTP."""
    with headwater(f"c={url}") as (_, base):
        begin = now_us()
        return begin, next(parts(base, "/c.mjpeg"))[0]


def with_opencv():
    """An interpreter that has OpenCV; the one of `capture` where that was measured before."""
    candidates = [os.environ.get("BENCH_PYTHON"), WORK / "venv" / "bin" / "python", WORK / "opencv" / "bin" / "python"]
    has = lambda python: python and subprocess.run([python, "-P", "-c", "import cv2"], capture_output=True).returncode == 0
    for python in candidates:
        with contextlib.suppress(OSError):
            if has(python):
                return str(python)
    subprocess.run([sys.executable, "-m", "venv", "--clear", WORK / "opencv"], check=True)
    python = candidates[-1]
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "opencv-python-headless==5.0.0.93"])
    return str(python) if has(python) else None


def programs():
    yield "headwater serve", relay
    yield "headwater grab", grab
    yield "ffmpeg", ffmpeg
    # What its users write against the wait.
    yield "ffmpeg, nobuffer, no analysis", lambda url: ffmpeg(url, "-fflags", "nobuffer", "-flags", "low_delay", "-analyzeduration", "0", "-probesize", "32")
    if python := with_opencv():
        yield "OpenCV", lambda url: opencv(python, url)
    else:
        print("  skipped: opencv-python-headless cannot be installed")
    probe = subprocess.run(["gst-inspect-1.0", "rtspsrc", "avdec_h264"], capture_output=True)
    if probe.returncode == 0:
        yield "GStreamer", gstreamer
        yield "GStreamer, latency=0", lambda url: gstreamer(url, "latency=0")
    else:
        print("  skipped: gst-launch-1.0 with gstreamer1.0-plugins-good and gstreamer1.0-libav is not there")


def main():
    begin("firstpicture")
    rows, port = list(programs()), free_port()
    url = f"rtsp://127.0.0.1:{port}/x"
    beyond, whole = ({name: [] for name, _ in rows} for _ in range(2))
    early = dict.fromkeys(beyond, 0)
    with tempfile.NamedTemporaryFile("r") as log, rtsp_camera(port, log.name):
        for turn in range(2 * ROUNDS):
            for name, run in rows[turn % len(rows) :] + rows[: turn % len(rows)]:
                time.sleep(2 * random.random())
                log.read()
                began = now_us()
                came = run(url)
                began, came = came if isinstance(came, tuple) else (began, came)
                time.sleep(0.1)
                keys = [at for at, key in sent(log) if key and at > began]
                record("firstpicture", kind="sample", who=name, began=began, came=came, keys=keys)
                if came is None:
                    # Only ours is ours to mend.
                    (fail if name.startswith("headwater") else print)(f"  {name}: no picture")
                    continue
                whole[name].append((came - began) / 1e3)
                # Before the first keyframe there is nothing to see but grey.
                if keys and came >= keys[0]:
                    beyond[name].append((came - keys[0]) / 1e3)
                else:
                    early[name] += 1
    print("  beyond the first keyframe:")
    for name, _ in rows:
        values = beyond[name]
        note = f"max {max(values):.0f} of {len(values)}; " if values else ""
        note += f"from the start {median(whole[name]):.0f} ms" if whole[name] else ""
        note += f"; {early[name]} grey ones before it" if early[name] else ""
        if early[name] and name.startswith("headwater"):
            fail(f"{name}: {early[name]} pictures before there was a keyframe")
        if whole[name]:
            aim = "< 200 ms" if name.startswith("headwater") else ""
            row("firstpicture", name, median(values), None, aim, "ms", note)
    end("firstpicture")


def sent(log):
    """What the camera has sent since the last look: when, and whether it was a keyframe."""
    for text in log.read().splitlines():
        _, _, key, at = map(int, text.split())
        yield at, key


main()
