"""capture_reader.py LIBRARY JOB ARGUMENT...: one library does one job; prints one line of JSON.

    file PATH WORK_MS         every frame as an array, WORK_MS of work on each
    http URL COUNT            COUNT pictures of a server that sends as fast as they are taken
    live URL SECONDS SLEEP    numbers of the pictures and when they came, SLEEP seconds after each
    import                    how long importing takes once numpy is there

The library is what its users write: opened with its defaults, frames as BGR arrays in memory of
their own. Exceptions: PyAV gets the threads that its documentation advises, OpenCV gets RTSP over
TCP, and torchcodec knows only RGB. BENCH_CORES says how many cores this process may use.
"""

import json
import os
import resource
import sys
import time

import numpy as np

BEGAN = time.monotonic()


def headwater(source, every=True):
    import headwater

    with headwater.open(source, latest="auto" if not every else False) as capture:
        for frame in capture:
            yield frame.bgr


def opencv(source, every=True):
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"
    import cv2

    capture = cv2.VideoCapture(source)
    while True:
        there, picture = capture.read()
        if not there:
            return
        yield picture


def pyav(source, every=True):
    import av

    options = {"rtsp_transport": "tcp"} if source.startswith("rtsp:") else {}
    with av.open(source, options=options) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            yield frame.to_ndarray(format="bgr24")


def torchcodec(source, every=True):
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(source, num_ffmpeg_threads=0, dimension_order="NHWC")
    for picture in decoder:
        yield picture.numpy()


LIBRARIES = {"headwater": headwater, "opencv": opencv, "pyav": pyav, "torchcodec": torchcodec}
MODULES = {"headwater": "headwater", "opencv": "cv2", "pyav": "av", "torchcodec": "torchcodec"}


def read(pictures, most=None, work=0.0):
    """Frames a second from the first call to the end, and what it took."""
    began, first, count, total = time.monotonic(), None, 0, 0
    cpu = time.process_time()
    for picture in pictures:
        count += 1
        first = first or time.monotonic() - began
        total += int(picture[0, 0, 0])
        until = time.monotonic() + work
        while work and time.monotonic() < until:
            total += 1
        if count == most:
            break
    seconds = time.monotonic() - began
    cpu = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"frames": count, "fps": count / seconds, "cpu_ms": 1000 * cpu / max(count, 1), "first_ms": 1000 * (first or 0), "peak_mb": peak}


def number(picture):
    """The place in the clip: cells of black and white across the top, white and black first."""
    height, width = picture.shape[:2]
    row = picture[height // 20, [int((cell + 0.5) * width / 20) for cell in range(18)], 1] > 128
    if not row[0] or row[1]:
        return None
    return int("".join("01"[bit] for bit in row[2:].astype(int)), 2)


def live(pictures, seconds, sleep):
    seen, end = [], time.monotonic() + seconds
    began = time.monotonic_ns() // 1000
    for picture in pictures:
        seen.append((number(picture), time.monotonic_ns() // 1000))
        if time.monotonic() > end:
            break
        if sleep:
            time.sleep(sleep)
    return {"began": began, "seen": seen, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main():
    library, job, *arguments = sys.argv[1:]
    cores = int(os.environ.get("BENCH_CORES", "0"))
    if cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    began = time.monotonic()
    __import__(MODULES[library])
    imported = 1000 * (time.monotonic() - began)
    pictures = LIBRARIES[library]
    if job == "file":
        told = read(pictures(arguments[0]), work=float(arguments[1]) / 1000)
    elif job == "http":
        told = read(pictures(arguments[0]), most=int(arguments[1]))
    elif job == "live":
        told = live(pictures(arguments[0], every=False), float(arguments[1]), float(arguments[2]))
    else:
        told = {}
    print(json.dumps({**told, "import_ms": imported}), flush=True)
    # Some libraries take long to give a connection up; that is not what is measured.
    os._exit(0)


main()
