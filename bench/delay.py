"""(d) From source to client: how long a picture of a live source is under way.

MJPEG: the source stamps each picture before its first byte; the client looks at the clock at
its last. H.264 by RTSP: the camera logs when it sends each numbered access unit; the client
notes when each JPEG is whole, and the numbers are read from the pictures afterwards.
"""

import subprocess
import tempfile

from lib import *

CELLS = 20


def passed(start, url, suffix, who):
    with start(url) as (process, base):
        result = load(base + suffix, "-d", 2 * SECONDS, "-w", 3, "-p", process.pid, who=who)
    record("delay", kind="round", who=who, **result)
    return result["age_ms"]


def directly(url):
    result = load(url, "-d", 2 * SECONDS, who="source")
    return result["age_ms"]


def watch(base, path, seconds, skip):
    """The pictures of some time, after some time."""
    got, begin = [], time.monotonic()
    for at, data in parts(base, path):
        if time.monotonic() - begin > skip + seconds:
            return got
        if time.monotonic() - begin > skip:
            got.append((at, data))
    return got


def numbers(pictures):
    """The number in each JPEG, by its row of cells; None where it cannot be read."""
    filters = f"crop=iw*18/20:ih/20:0:ih/40,scale={CELLS - 2}:1:flags=area"
    command = ["ffmpeg", "-loglevel", "error", "-f", "mjpeg", "-i", "-", "-vf", filters, "-pix_fmt", "gray", "-f", "rawvideo",
               "-fps_mode", "passthrough", "-"]
    cells = subprocess.run(command, input=b"".join(pictures), stdout=subprocess.PIPE, check=True).stdout
    for at in range(0, len(cells), CELLS - 2):
        row_ = cells[at : at + CELLS - 2]
        yield sum((c > 128) << 15 - i for i, c in enumerate(row_[2:])) if row_[0] > 160 and row_[1] < 90 else None


def transcoded(quality):
    port = free_port()
    with tempfile.NamedTemporaryFile("r") as log:
        with rtsp_camera(port, log.name):
            with headwater(f"c=rtsp://127.0.0.1:{port}/x") as (_, base):
                got = watch(base, f"/c.mjpeg?quality={quality}", 2 * SECONDS, 4)
        sent = [tuple(map(int, text.split())) for text in log.read().splitlines()]
    delays, unread = [], 0
    for (at, _), number in zip(got, numbers([data for _, data in got])):
        # The clip goes round every ten seconds: the last time before the arrival counts.
        when = [stamp for _, place, _, stamp in sent if place == number and stamp < at]
        if when:
            delays.append((at - max(when)) / 1e3)
        else:
            unread += 1
    if unread:
        fail(f"{unread} of {len(got)} pictures with a number that was not sent")
    delays.sort()
    result = dict(p50=median(delays), p99=delays[int(0.99 * (len(delays) - 1))], max=delays[-1], pictures=len(delays))
    record("delay", kind="round", who="headwater rtsp", **result)
    return result


def main():
    begin("delay")
    for size, pictures in [("30 KB", "small.mjpeg"), ("157 KB", "large.mjpeg")]:
        with source(pictures) as url:
            bare = directly(url)
            pairs = alternate(
                ROUNDS,
                lambda: passed(lambda u: headwater(f"c={u}"), url, "/c.mjpeg", "headwater"),
                lambda: passed(floor, url, "", "floor"),
            )
        for which, aim in [("p50", "3 ms"), ("p99", "")]:
            a, b = (median(p[i][which] for p in pairs) for i in (0, 1))
            row("delay", f"MJPEG {size}, {which}", a, b, aim, "ms", f"without a relay {bare[which]:.2f} ms")
    command = [program("codec_floor"), clip("numbered.h264"), 80, 25]
    codec = json.loads(subprocess.check_output([str(c) for c in command]))
    work = codec["decode_ms"] + codec["encode_ms"]
    results = [transcoded(80) for _ in range(ROUNDS)]
    for which in ("p50", "p99"):
        note = f"of them decoding {codec['decode_ms']:.1f} and coding {codec['encode_ms']:.1f}"
        row("delay", f"H.264 1080p by RTSP to MJPEG, {which}", median(r[which] for r in results), work,
            "work + 3 ms" if which == "p50" else "", "ms", note, "codecs")
    end("delay")


main()
