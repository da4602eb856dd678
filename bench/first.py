"""(e) The first picture: for who joins, for who comes to a cold source, and after an outage."""

import random
import signal
import subprocess
import tempfile

from lib import *

SAMPLES = 4 * ROUNDS


def first_ms(url):
    return load(url, "-f", "-d", 20)["first_ms"]["p50"]


def report(case, values, reference=None, aim="", note="", against="floor"):
    record("first", kind="samples", case=case, values=values)
    worst = f"max {max(values):.1f} of {len(values)}"
    row("first", case, median(values), reference, aim, "ms", f"{worst}{'; ' if note else ''}{note}", against)


def joining():
    def join(start, url, suffix):
        with start(url) as (_, base):
            with running([program("load"), "-d", 600, base + suffix]):
                time.sleep(1)
                values = []
                for _ in range(SAMPLES):
                    time.sleep(0.05 + random.random() / 25)
                    values.append(first_ms(base + suffix))
                return values

    with source("large.mjpeg") as url:
        a = join(lambda u: headwater(f"c={u}"), url, "/c.mjpeg")
        b = join(floor, url, "")
    report("joining a warm MJPEG source", a, median(b), "at once")


def joining_variant():
    with headwater(f"c={clip('h264.mp4')}") as (_, base):
        for case, path in [("joining a warm H.264 variant", "/c.mjpeg?quality=80"), ("a new variant of a warm source", None)]:
            with running([program("load"), "-d", 600, f"{base}/c.mjpeg?quality=80"]):
                time.sleep(2)
                values = []
                for i in range(SAMPLES):
                    time.sleep(0.3 + random.random() / 25)
                    values.append(first_ms(base + (path or f"/c.mjpeg?quality={30 + i}")))
            report(case, values, aim="at once" if path else "")


def cold_mjpeg():
    with source("large.mjpeg") as url, headwater(f"c={url}", options=["--linger", "20ms"]) as (_, base):
        ours, direct = [], []
        for _ in range(SAMPLES):
            # At another moment between two of the source's pictures each time.
            time.sleep(0.3 + random.random() / 25)
            ours.append(first_ms(f"{base}/c.mjpeg"))
            time.sleep(random.random() / 25)
            direct.append(first_ms(url))
    report("cold MJPEG source", ours, median(direct), "< 100 ms", "the next picture is up to 40 ms away", "source")


def cold_file():
    values = []
    for _ in range(SAMPLES):
        with headwater(f"c={clip('h264.mp4')}") as (_, base):
            values.append(first_ms(f"{base}/c.mjpeg"))
    report("cold H.264 file", values, aim="peers 1.5–1.9 s")


def cold_rtsp():
    port, after, whole = free_port(), [], []
    with tempfile.NamedTemporaryFile("r") as log, rtsp_camera(port, log.name):
        for i in range(SAMPLES):
            with headwater(f"c=rtsp://127.0.0.1:{port}/x") as (_, base):
                begin = now_us()
                at = next(parts(base, "/c.mjpeg"))[0]
            time.sleep(0.2 + 0.13 * i)
            sent = [tuple(map(int, text.split())) for text in log.read().splitlines()]
            keys = [stamp for _, _, key, stamp in sent if key and stamp > begin]
            whole.append((at - begin) / 1e3)
            if keys:
                after.append((at - keys[0]) / 1e3)
    report("cold H.264 by RTSP, after its first keyframe", after, aim="with it", note=f"a keyframe every 2 s; from the request {median(whole):.0f} ms")


def back(seconds):
    values = []
    port = free_port()
    command = [str(c) for c in (program("source"), port, clip("large.mjpeg"))]
    for _ in range(ROUNDS):
        camera = subprocess.Popen(command)
        wait_for_port(port)
        with headwater(f"c=http://127.0.0.1:{port}/x") as (_, base):
            pictures = parts(base, "/c.mjpeg")
            for _ in range(10):
                next(pictures)
            camera.send_signal(signal.SIGKILL)
            camera.wait()
            time.sleep(seconds + random.random() / 2)
            camera = subprocess.Popen(command)
            wait_for_port(port)
            up = now_us()
            at = 0
            # What was under way when it died may still lie in the socket.
            while at < up:
                at, _ = next(pictures)
            values.append((at - up) / 1e3)
        camera.kill()
        camera.wait()
    report(f"back after {seconds} s, same client", values, aim="< 1000 ms")


def main():
    begin("first")
    joining()
    joining_variant()
    cold_mjpeg()
    cold_file()
    cold_rtsp()
    back(1)
    back(10)
    end("first")


main()
