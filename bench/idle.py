"""(f) A thousand configured sources that nobody watches."""

from lib import *

MANY = 1000


def measure(count):
    # Nobody listens there; nothing must be opened anyway.
    kinds = ["rtsp://127.0.0.1:9/{}", "http://127.0.0.1:9/{}", "mms://127.0.0.1:9/{}", "udp://127.0.0.1:9?{}"]
    sources = [f"s{i}={kinds[i % len(kinds)].format(i)}" for i in range(count)]
    with headwater(*sources) as (process, _):
        time.sleep(2)
        memory, cpu = memory_mb(process.pid), cpu_seconds(process.pid)
        time.sleep(10)
        return memory, 10 * (cpu_seconds(process.pid) - cpu), memory_mb(process.pid)


def main():
    begin("idle")
    one, _, _ = measure(1)
    memory, percent, later = measure(MANY)
    row("idle", f"{MANY} sources, memory", max(memory, later), None, "< 20 MB", "MB", f"with one source {one:.1f} MB")
    row("idle", "each further source", (memory - one) * 1024 / (MANY - 1), None, "", "KB", "go2rtc 5 KB")
    row("idle", f"{MANY} sources, CPU over 10 s", percent, None, "0 %", "%")
    end("idle")


main()
