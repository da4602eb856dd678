"""What the benchmarks share: programs started and stopped, rounds, medians, results."""

import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = Path(os.environ.get("BENCH_WORK", ROOT / "target" / "bench"))
HEADWATER = Path(os.environ.get("HEADWATER") or Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "headwater")
RESULTS = WORK / "results.jsonl"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))

broken = []


def clip(name):
    return WORK / "clips" / name


def program(name):
    return WORK / "bin" / name


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process=None, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port}")


@contextlib.contextmanager
def running(command, port=None, quiet=True, **more):
    """A program while the block runs. It must still be alive at the end."""
    out = subprocess.DEVNULL if quiet else None
    process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=open(WORK / "stderr.log", "a"), **more)
    try:
        if port:
            wait_for_port(port, process)
        yield process
        if process.poll() is not None:
            fail(f"{Path(str(command[0])).name} ended by itself with status {process.returncode}")
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            fail(f"{Path(command[0]).name} did not end within 5 s of SIGTERM")
            process.kill()
            process.wait()


@contextlib.contextmanager
def source(pictures, port=None, fps=25):
    port = port or free_port()
    with running([program("source"), port, clip(pictures), fps], port):
        yield f"http://127.0.0.1:{port}/camera"


@contextlib.contextmanager
def headwater(*sources, options=()):
    """Yields its process and the begin of its URLs."""
    port = free_port()
    command = [HEADWATER, "serve", "--listen", f"127.0.0.1:{port}", *options, *sources]
    with running(command, port) as process:
        yield process, f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def floor(url, unsent=0):
    port = free_port()
    with running([program("floor"), port, url, unsent], port) as process:
        yield process, f"http://127.0.0.1:{port}/"


def load(url, *options, who="headwater"):
    """Runs the load client; what it found broken is told at the end."""
    command = [str(c) for c in (program("load"), *options, url)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if not done.stdout:
        raise SystemExit(f"{' '.join(command)} printed nothing")
    result = json.loads(done.stdout)
    if done.returncode:
        kinds = {k: result[k] for k in ("torn", "disorder", "refused", "closed", "empty") if result[k]}
        message = f"{who}, {result['clients']} clients: {kinds} {result['complaint']}"
        print(f"  broken: {message}")
        if who == "headwater":
            fail(message)
    return result


def fail(message):
    broken.append(message)


def parts(base, path, timeout=30):
    """Pictures of a stream as they come, each with the microsecond at which it was whole."""
    host, port = base.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            fail(f"{path}: {answer.status} {answer.read(200)!r}")
            return
        while True:
            length = 0
            while text := answer.fp.readline():
                if text.lower().startswith(b"content-length:"):
                    length = int(text.split(b":")[1])
                if text == b"\r\n" and length:
                    break
            data = answer.fp.read(length)
            at = time.monotonic_ns() // 1000
            if not length or len(data) < length:
                fail(f"{path} ended")
                return
            if not (data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")):
                fail(f"{path}: a torn picture")
            yield at, data
    finally:
        connection.close()


def now_us():
    return time.monotonic_ns() // 1000


def rtsp_camera(port, log):
    """Sends clips/numbered.h264 and logs what it sends when."""
    return running(["python3", ROOT / "bench" / "rtsp_camera.py", port, clip("numbered.h264"), log], port)


def cpu_seconds(pid):
    """Run time of all threads that are alive, exact to the nanosecond."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory_mb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def record(bench, **fields):
    with open(RESULTS, "a") as f:
        f.write(json.dumps({"bench": bench, "time": round(time.time()), **fields}) + "\n")


def row(bench, case, ours, reference, aim="", unit="", note="", against="floor"):
    """One line of the table. `reference` may be None; the ratio is computed where not."""
    ratio = ours / reference if reference else None
    fields = dict(case=case, ours=ours, reference=reference, ratio=ratio, aim=aim, unit=unit, note=note, against=against)
    record(bench, kind="row", **fields)
    print("  " + line(bench, fields), flush=True)


def line(bench, r):
    def number(x):
        return "" if x is None else f"{x:.0f}" if abs(x) >= 100 else f"{x:.3g}"

    ratio = f"{r['ratio']:.2f} ×" if r["ratio"] else ""
    against = f"{r['against']} {number(r['reference'])}" if r["reference"] is not None else ""
    return f"{bench:<13}{r['case']:<40}{number(r['ours']):>8} {r['unit']:<9}{against:>22}{ratio:>9}  {r['aim']:<14}{r['note']}"


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def alternate(rounds, ours, reference):
    """Runs both in turns, the order swapped each round; returns the pairs."""
    pairs = []
    for i in range(rounds):
        if i % 2 == 0:
            a = ours()
            b = reference()
        else:
            b = reference()
            a = ours()
        pairs.append((a, b))
    return pairs


def begin(bench):
    WORK.mkdir(parents=True, exist_ok=True)
    cores, (one, five, _) = os.cpu_count(), os.getloadavg()
    print(f"{bench}: bench/run.sh {bench}  ({cores} cores, load average before {one:.2f}, {five:.2f})", flush=True)
    record(bench, kind="begin", cores=cores, load=one, rounds=ROUNDS, seconds=SECONDS, kernel=os.uname().release)


def end(bench):
    for message in broken:
        print(f"{bench}: BROKEN: {message}")
        record(bench, kind="broken", message=message)
    sys.exit(1 if broken else 0)
