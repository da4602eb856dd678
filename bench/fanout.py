"""(a) Pictures to many clients: CPU time per megabyte, against a loop of sendmsg."""

import contextlib
import os
import shutil

from lib import *

SIZES = [("30 KB", "small.mjpeg"), ("157 KB", "large.mjpeg")]
CLIENTS = [int(n) for n in os.environ.get("BENCH_CLIENTS", "1 100 500 1000").split()]
# × floor at 500 clients, shared/research/peers.md 4.2, another machine of this kind.
PUBLISHED = {"30 KB": "go2rtc 2.2, VLC 2.3, ustreamer 3.5, mjpg-streamer 4.3",
             "157 KB": "go2rtc 1.8, mjpg-streamer 2.7, ustreamer 4.5, VLC 5.0"}


def measure(start, url, suffix, clients, who):
    with start(url) as (process, base):
        result = load(base + suffix, "-c", clients, "-d", SECONDS, "-r", 500, "-p", process.pid, who=who)
    record("fanout", kind="round", who=who, **result)
    return result


@contextlib.contextmanager
def vlc(url):
    """VLC as a relay. It refuses to run as root."""
    port = free_port()
    kind = "multipart/x-mixed-replace;boundary=7b3cc56e5f51db803f790dad720ed50a"
    out = f"#std{{access=http{{mime={kind}}},mux=mpjpeg,dst=127.0.0.1:{port}/c.mjpeg}}"
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/tmp"] if os.getuid() == 0 else []
    options = ["-q", "-I", "dummy", "--no-audio", "--network-caching", "100", "--sout-mux-caching", "100"]
    with running([*user, shutil.which("vlc"), *options, url, "--sout", out, "--sout-keep"], port) as process:
        time.sleep(1)
        yield process, f"http://127.0.0.1:{port}/c.mjpeg"


def peers(size, url, clients, least):
    if os.environ.get("BENCH_PEERS") != "1":
        return
    if not shutil.which("vlc"):
        print("  VLC is not installed")
        return
    r = measure(vlc, url, "", clients, "vlc")
    note = f"fps min {r['fps_min']:.1f}, closed {r['closed']}, torn {r['torn']}, missed {r['missed']}"
    row("fanout", f"{size}, {clients} clients, VLC", r["ms_per_mb"], least, "", "ms/MB", note)


def main():
    begin("fanout")
    for size, pictures in SIZES:
        for clients in CLIENTS:
            with source(pictures) as url:
                pairs = alternate(
                    ROUNDS,
                    lambda: measure(lambda u: headwater(f"c={u}"), url, "/c.mjpeg", clients, "headwater"),
                    lambda: measure(floor, url, "", clients, "floor"),
                )
                least = median(b["ms_per_mb"] for _, b in pairs)
                if clients in (100, 500):
                    peers(size, url, clients, least)
            # The ratio is taken within each round: what the machine did meanwhile hits both.
            ratio = median(a["ms_per_mb"] / b["ms_per_mb"] for a, b in pairs)
            ours, theirs = (median(p[i]["ms_per_mb"] for p in pairs) for i in (0, 1))
            a = sorted((a for a, _ in pairs), key=lambda a: a["ms_per_mb"])[len(pairs) // 2]
            fps = min(a["fps_min"] for a, _ in pairs)
            missed = sum(a["missed"] for a, _ in pairs)
            if clients <= 500 and missed > 0.1 * sum(a["pictures"] for a, _ in pairs) and not any(b["missed"] for _, b in pairs):
                fail(f"{missed} pictures missed at {clients} clients, none by the floor")
            memory = f"{a['rss_kb'] / 1024:.0f} MB"
            note = (f"fps min {fps:.1f} median {a['fps_median']:.1f}, missed {missed}, "
                    f"age p50 {a['age_ms']['p50']:.1f} ms p99 {a['age_ms']['p99']:.1f}, RSS {memory}")
            row("fanout", f"{size}, {clients} clients", ours, ours / ratio, "≤ 1.15 × floor" if clients == 500 else "",
                "ms/MB", note)
            if clients == 1:
                alone = a["rss_kb"]
            elif clients >= 500 and 1 in CLIENTS:
                # With few clients the feed's second of pictures would count as theirs.
                row("fanout", f"{size}, memory a client of {clients}", (a["rss_kb"] - alone) / (clients - 1), None, "< 32 KB", "KB")
        print(f"  published for 500 clients, × floor: {PUBLISHED[size]}")
    end("fanout")


main()
