"""(l) WebRTC to many: CPU ms per delivered MB against encrypting and sending the same bytes.

The source is a camera of rtsp_source.c, H.264 of 2 Mbit/s, 25 pictures a second, numbered. The
viewers are crates/webrtc/examples/receivers.rs, the floor is the same program's other half.
"""

import json
import subprocess

from lib import *

VIEWERS = [int(count) for count in os.environ.get("BENCH_VIEWERS", "1 10 50").split()]
EXAMPLE = HEADWATER.parent / "examples" / "receivers"


def ours(camera, count):
    with headwater(f"cam={camera}") as (process, base):
        command = [str(c) for c in (EXAMPLE, f"{base}/cam/whep", count, SECONDS)]
        viewers = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        times = []
        # A dash where it begins to count, and where it ends.
        while (said := viewers.stdout.readline()) == "-\n":
            times.append(cpu_seconds(process.pid))
        if viewers.wait() or len(times) != 2:
            raise SystemExit(f"{' '.join(command)} ended with status {viewers.returncode}")
    return figures("headwater", count, json.loads(said), 1000 * (times[1] - times[0]))


def floor_of(count):
    command = [str(c) for c in (EXAMPLE, "floor", clip("camera.h264"), count, SECONDS)]
    got = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return figures("floor", count, got, got["cpu_ms"])


def figures(who, count, got, cpu_ms):
    got |= {"cpu_ms": cpu_ms, "ms_per_mb": cpu_ms / got["mb"], "core": cpu_ms / 1000 / got["seconds"] / count}
    record("webrtc", kind="round", who=who, viewers=count, **got)
    return got


def main():
    begin("webrtc")
    port = free_port()
    with running([program("rtsp_source"), port, clip("camera.h264")], port):
        camera = f"rtsp://127.0.0.1:{port}/x"
        for count in VIEWERS:
            pairs = alternate(ROUNDS, lambda: ours(camera, count), lambda: floor_of(count))
            cost, least = (median(pair[side]["ms_per_mb"] for pair in pairs) for side in (0, 1))
            mine = [pair[0] for pair in pairs]
            seen, missing = (sum(got[key] for got in mine) for key in ("pictures", "missing"))
            share = 100 * median(got["core"] for got in mine)
            size = median(1e6 * got["datagram_mb"] / got["datagrams"] for got in mine)
            note = f"{share:.2f} % of a core each; {missing} of {seen + missing} pictures missing; {size:.0f} bytes a datagram"
            row("webrtc", f"{count} viewers of 2 Mbit/s", cost, least, "", "ms/MB", note)
            if missing:
                fail(f"{count} viewers: {missing} of {seen + missing} pictures missing")
            if not seen:
                fail(f"{count} viewers saw nothing")
    end("webrtc")


main()
