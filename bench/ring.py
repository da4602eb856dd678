"""The ring on disk: CPU per MB written beside plain write() of the same bytes, and the time to seek."""

from lib import *

MEGABYTES = 1024


def main():
    begin("ring")
    build = ["cargo", "build", "--quiet", "--release", "-p", "diskring", "--example", "ring_throughput"]
    subprocess.run(build, cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    example = target / "release" / "examples" / "ring_throughput"
    folder = WORK / "ring"
    rounds = []
    for _ in range(ROUNDS):
        # Both sides are measured in turns inside it.
        done = subprocess.run([str(example), str(folder), str(MEGABYTES)], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            fail(f"throughput ended with status {done.returncode}")
            end("ring")
        rounds.append(json.loads(done.stdout))
        record("ring", kind="round", **rounds[-1])
    pick = lambda key: median(r[key] for r in rounds)
    ratio = median(r["ring_cpu_ms_per_mb"] / r["plain_cpu_ms_per_mb"] for r in rounds)
    cpu = pick("ring_cpu_ms_per_mb")
    row("ring", "written, 30 KB packets", cpu, cpu / ratio, "<= 1.2 ×", "ms/MB", "CPU, with fdatasync", "write()")
    row("ring", "written, 30 KB packets", pick("ring_mb_s"), pick("plain_mb_s"), "", "MB/s", "", "write()")
    row("ring", f"to a keyframe in {MEGABYTES} MB", pick("seek_ms"), None, "< 5 ms", "ms", "and its packet read")
    row("ring", "the slowest of 100", pick("seek_worst_ms"), None, "< 5 ms", "ms")
    row("ring", f"opened, {MEGABYTES} MB", pick("open_ms"), None, "", "ms")
    end("ring")


main()
