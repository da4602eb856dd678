"""(a2) 300 clients that connect at the same moment: when each has its first whole picture."""

from lib import *

CLIENTS = 300


def measure(start, url, suffix, who):
    with start(url) as (process, base):
        # One client keeps the source open: the crowd comes to a warm relay.
        with running([program("load"), "-d", 60, base + suffix]):
            time.sleep(1)
            result = load(base + suffix, "-c", CLIENTS, "-r", 0, "-f", "-d", 10, "-p", process.pid, who=who)
    record("crowd", kind="round", who=who, **result)
    return result["first_ms"]


def main():
    begin("crowd")
    for size, pictures in [("30 KB", "small.mjpeg"), ("157 KB", "large.mjpeg")]:
        with source(pictures) as url:
            pairs = alternate(
                2 * ROUNDS,
                lambda: measure(lambda u: headwater(f"c={u}"), url, "/c.mjpeg", "headwater"),
                lambda: measure(floor, url, "", "floor"),
            )
        for which, aim in [("p50", ""), ("p99", ""), ("max", "< 200 ms")]:
            a, b = (median(p[i][which] for p in pairs) for i in (0, 1))
            note = f"worst round {max(p[0]['max'] for p in pairs):.0f} ms" if which == "max" else ""
            row("crowd", f"{size}, {CLIENTS} at once, {which}", a, b, aim, "ms", note)
    end("crowd")


main()
