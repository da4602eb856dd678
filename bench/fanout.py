"""(a) Pictures to many clients: CPU time per megabyte, against a loop of sendmsg."""

import os

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
            # The ratio is taken within each round: what the machine did meanwhile hits both.
            ratio = median(a["ms_per_mb"] / b["ms_per_mb"] for a, b in pairs)
            ours, theirs = (median(p[i]["ms_per_mb"] for p in pairs) for i in (0, 1))
            a = sorted((a for a, _ in pairs), key=lambda a: a["ms_per_mb"])[len(pairs) // 2]
            fps = min(a["fps_min"] for a, _ in pairs)
            missed = sum(a["missed"] for a, _ in pairs)
            if clients <= 500 and missed > 0.1 * sum(a["pictures"] for a, _ in pairs) and not any(b["missed"] for _, b in pairs):
                fail(f"{missed} pictures missed at {clients} clients, none by the floor")
            memory = f"{a['rss_kb'] / 1024:.0f} MB"
            note = (f"fps min {fps:.1f} median {a['fps_median']:.1f}, user {100 * a['user_share']:.0f} %, missed {missed}, "
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
