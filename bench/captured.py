#!/usr/bin/env python3
"""What --capture costs: CPU time and memory of a source of 20 Mbit/s, with and without.

    cargo build --release -p cli && bench/captured.py              # an MJPEG camera of its own
    bench/captured.py rtsp://user:password@127.0.0.1:8554/cam      # any other source
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

from lib import HEADWATER, cpu_seconds

BYTES_A_SECOND = 20e6 / 8
SECONDS = 20
ROUNDS = 3


def pictures():
    """JPEGs of noise, as a camera at night sends them."""
    source = ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=2,noise=alls=20:allf=t"]
    film = subprocess.run(
        ["ffmpeg", "-v", "error", *source, "-c:v", "mjpeg", "-q:v", "3", "-f", "mjpeg", "-"], capture_output=True, check=True
    ).stdout
    begins = list(starts(film))
    return [film[begin:end] for begin, end in zip(begins, [*begins[1:], len(film)])]


def starts(film):
    """Where pictures begin."""
    at = film.find(b"\xff\xd8\xff")
    while at >= 0:
        yield at
        at = film.find(b"\xff\xd8\xff", at + 3)


def serve(connection, shots):
    """Sends pictures at that rate to whoever comes."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n")
    began, sent = time.monotonic(), 0
    while True:
        for shot in shots:
            head = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(shot)
            try:
                connection.sendall(head + shot + b"\r\n")
            except OSError:
                return
            sent += len(shot)
            time.sleep(max(0, began + sent / BYTES_A_SECOND - time.monotonic()))


def camera():
    """A camera; its URL, with a password to look for."""
    shots = pictures()
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0], shots), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"http://admin:hunt%2Fer2@127.0.0.1:{listener.getsockname()[1]}/video"


def measured(url, extra):
    """Part of a core, and the most memory in kB."""
    arguments = ["serve", "--listen", "127.0.0.1:0", "--always-on", *extra, "cam=" + url]
    with subprocess.Popen([HEADWATER, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        time.sleep(3)
        before, began = cpu_seconds(program.pid), time.monotonic()
        time.sleep(SECONDS)
        used = (cpu_seconds(program.pid) - before) / (time.monotonic() - began)
        with open(f"/proc/{program.pid}/status") as file:
            peak = next(line.split()[1] for line in file if line.startswith("VmHWM"))
        program.terminate()
    return used, int(peak)


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else camera()
    with tempfile.TemporaryDirectory() as folder:
        capture = os.path.join(folder, "cost.hwc")
        for _ in range(ROUNDS):
            for name, extra in (("without", []), ("with", ["--capture", capture])):
                used, peak = measured(url, extra)
                print(f"{name:8} {used * 100:5.2f} % of a core, {peak / 1024:.1f} MB at most", flush=True)
            print(f"{'':8} {os.path.getsize(capture) / 1e6:.1f} MB were captured")


if __name__ == "__main__":
    main()
