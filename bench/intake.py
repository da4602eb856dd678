"""(k) Taking RTSP in: CPU per Mbit against reading the sockets alone, and what 200 cameras lose."""

import json
import signal
import subprocess

from lib import *

SOURCES = [int(n) for n in os.environ.get("BENCH_SOURCES", "1 50 200").split()]
EXAMPLE = HEADWATER.parent / "examples" / "rtsp_intake"


def cameras(act):
    """Runs `act` with the port of cameras that send 2 Mbit/s each; returns what it gave and what they sent."""
    port = free_port()
    command = [program("rtsp_source"), port, clip("camera.h264")]
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    try:
        wait_for_port(port, process)
        given = act(port)
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=10)[0]
    return given, json.loads(said)


def figures(command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    if done.returncode or not done.stdout:
        raise SystemExit(f"{' '.join(map(str, command))} ended with status {done.returncode}")
    return json.loads(done.stdout)


def measure(who, count, way):
    def act(port):
        if who == "floor":
            return figures([program("rtsp_floor"), port, count, SECONDS, *(["udp"] if way == "UDP" else [])])
        return figures([EXAMPLE, f"rtsp://127.0.0.1:{port}/x", count, SECONDS, *(["udp"] if way == "UDP" else [])])

    got, sent = cameras(act)
    got["ms_per_mbit"] = got["cpu_ms"] / got["mbit"]
    record("intake", kind="round", who=who, way=way, sources=count, **got, sent=sent)
    return got


def main():
    begin("intake")
    for way in ("TCP", "UDP"):
        for count in SOURCES:
            pairs = alternate(ROUNDS, lambda: measure("headwater", count, way), lambda: measure("floor", count, way))
            ours = [pair[0] for pair in pairs]
            cost, least = (median(pair[side]["ms_per_mbit"] for pair in pairs) for side in (0, 1))
            cores = median(got["cpu_ms"] / got["seconds"] / 1e3 for got in ours)
            seen, missing, damaged = (sum(got[key] for got in ours) for key in ("pictures", "missing", "damaged"))
            wrong = {key: sum(got[key] for got in ours) for key in ("missing", "disorder", "damaged", "reconnects")}
            rate = median(got["mbit"] / got["seconds"] for got in ours)
            note = f"{rate:.0f} Mbit/s, {cores:.2f} cores; {missing} of {seen + missing} pictures missing, {damaged} damaged"
            row("intake", f"{count} cameras of 2 Mbit/s over {way}", cost, least, "< 1.5 ×", "ms/Mbit", note)
            if any(wrong.values()):
                fail(f"{count} cameras over {way}: {wrong}")
    end("intake")


main()
