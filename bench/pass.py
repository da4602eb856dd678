"""(c) Passing MJPEG through to one client: CPU time per picture."""

from lib import *


def ours(location):
    with headwater(f"c={location}") as (process, base):
        result = load(f"{base}/c.mjpeg", "-d", 2 * SECONDS, "-p", process.pid)
    record("pass", kind="round", who="headwater", **result)
    return result


def reference(url):
    with floor(url) as (process, base):
        result = load(base, "-d", 2 * SECONDS, "-p", process.pid, who="floor")
    record("pass", kind="round", who="floor", **result)
    return result


def main():
    begin("pass")
    with source("large.mjpeg") as url:
        pairs = alternate(ROUNDS, lambda: ours(url), lambda: reference(url))
    ratio = median(a["us_per_picture"] / b["us_per_picture"] for a, b in pairs)
    mine = median(a["us_per_picture"] for a, _ in pairs)
    switches = [median(p[i]["switches"] / p[i]["pictures"] for p in pairs) for i in (0, 1)]
    note = f"read and written again; wakeups a picture {switches[0]:.1f}, floor {switches[1]:.1f}"
    row("pass", "1080p MJPEG over HTTP, 1 client", mine, mine / ratio, "", "us/pic", note)
    file = [ours(clip("large.avi"))["us_per_picture"] for _ in range(ROUNDS)]
    row("pass", "1080p MJPEG from an AVI file, 1 client", median(file), None, "", "us/pic", "libavformat, in real time")
    end("pass")


main()
