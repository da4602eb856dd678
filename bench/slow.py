"""(g) A client that reads a fifth of the rate: the age of what it sees, beside nine healthy ones."""

from lib import *


def measure(start, url, suffix, who, *more):
    with start(url) as (process, base):
        result = load(base + suffix, "-c", 10, "-s", 1, "-S", rate(url) / 5, "-w", 8, "-d", 20, "-p", process.pid, *more, who=who)
    record("slow", kind="round", who=f"{who}{suffix}", **result)
    return result


def rate(_, pictures="small.mjpeg"):
    data = clip(pictures).read_bytes()
    return 25 * len(data) / data.count(b"\xff\xd9\xff\xd8")


def main():
    begin("slow")
    with source("small.mjpeg") as url:
        def ours(u):
            return headwater(f"c={u}")

        plain = measure(ours, url, "/c.mjpeg", "headwater")
        strict = measure(ours, url, "/c.mjpeg?max_age=250ms", "headwater")
        buffered = measure(ours, url, "/c.mjpeg", "headwater", "-b", 0)
        limited = measure(ours, url, "/c.mjpeg?max_age=500ms", "headwater", "-b", 0)
        least = measure(lambda u: floor(u, 16384), url, "", "floor")
        naive = measure(floor, url, "", "floor")
    unbounded = f"floor without TCP_NOTSENT_LOWAT {naive['slow_age_ms']['p50'] / 1e3:.1f} s"
    for case, r, aim, note in [
        ("a fifth of the rate", plain, "< 600 ms", unbounded),
        ("max_age=250ms", strict, "< 250 ms", ""),
        ("the system's receive buffer", buffered, "", "what the client's own kernel holds counts"),
        ("the same, max_age=500ms", limited, "< 500 ms", ""),
    ]:
        note = f"{r['slow_pictures']} pictures, {r['slow_missed']} missed{'; ' if note else ''}{note}"
        row("slow", f"{case}, age p50", r["slow_age_ms"]["p50"], least["slow_age_ms"]["p50"], aim, "ms", note)
        row("slow", f"{case}, age max", r["slow_age_ms"]["max"], least["slow_age_ms"]["max"], "", "ms", "")
        healthy = f"age p99 {r['age_ms']['p99']:.1f} ms, missed {r['missed']}"
        row("slow", "  the nine beside it, fps min", r["fps_min"], least["fps_min"], "25", "fps", healthy)
    end("slow")


main()
