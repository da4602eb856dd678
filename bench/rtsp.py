"""RTSP to many: CPU ms per delivered MB over TCP, beside GStreamer's server.

The source is rtsp_camera.py, H.264 of 6 Mbit/s at 25 pictures a second. Every reader counts what
it has by the sequence numbers: a gap is broken. The readers are one thread of this program.
"""

import selectors

from lib import *

CLIENTS = [int(count) for count in os.environ.get("BENCH_RTSP_CLIENTS", "1 20 100").split()]


class Reader:
    """A client that takes interleaved packets apart as far as their sequence numbers."""

    def __init__(self, port, path):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.buffer, self.bytes, self.gaps, self.last = bytearray(), 0, 0, None
        url = f"rtsp://127.0.0.1:{port}/{path}"
        base = self.ask("DESCRIBE", url, "Accept: application/sdp").get("content-base", url + "/")
        control = next(line[10:] for line in reversed(self.body.splitlines()) if line.startswith("a=control:"))
        track = control if "://" in control else base + control
        answer = self.ask("SETUP", track, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
        session = answer["session"].split(";")[0]
        self.ask("PLAY", url, f"Session: {session}")
        self.socket.setblocking(False)

    def ask(self, method, url, header):
        self.socket.sendall(f"{method} {url} RTSP/1.0\r\nCSeq: 1\r\n{header}\r\n\r\n".encode())
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        self.buffer = bytearray(rest)
        lines = head.decode().split("\r\n")
        if " 200 " not in lines[0]:
            raise SystemExit(f"{method} {url}: {lines[0]}")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:] if ": " in line)}
        length = int(headers.get("content-length", 0))
        while len(self.buffer) < length:
            self.more()
        self.body = self.buffer[:length].decode()
        del self.buffer[:length]
        return headers

    def more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise SystemExit("a reader was closed")
        self.buffer += data
        self.bytes += len(data)

    def read(self):
        self.more()
        at, buffer = 0, self.buffer
        while len(buffer) >= at + 8:
            end = at + 4 + int.from_bytes(buffer[at + 2 : at + 4], "big")
            if end > len(buffer):
                break
            if buffer[at + 1] == 0:
                number = int.from_bytes(buffer[at + 6 : at + 8], "big")
                self.gaps += self.last is not None and number != (self.last + 1) & 0xFFFF
                self.last = number
            at = end
        del buffer[:at]


def deliver(pid, port, path, count):
    """CPU ms of the server per MB that `count` readers got."""
    readers = [Reader(port, path) for _ in range(count)]
    select = selectors.DefaultSelector()
    for reader in readers:
        select.register(reader.socket, selectors.EVENT_READ, reader)

    def drain(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, _ in select.select(0.1):
                key.data.read()

    drain(2)
    before, cpu = sum(reader.bytes for reader in readers), cpu_seconds(pid)
    drain(SECONDS)
    got, cpu = sum(reader.bytes for reader in readers) - before, cpu_seconds(pid) - cpu
    for reader in readers:
        reader.socket.close()
    return 1000 * cpu / (got / 1e6), got / 1e6 / SECONDS, sum(reader.gaps for reader in readers)


GSTREAMER = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer(); server.set_address("127.0.0.1"); server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory(); factory.set_shared(True)
factory.set_launch("( rtspsrc protocols=tcp latency=0 location=" + sys.argv[2] + " ! rtph264depay ! h264parse ! rtph264pay name=pay0 pt=96 )")
server.get_mount_points().add_factory("/cam", factory); server.attach(None)
GLib.MainLoop().run()
"""


def headwater_round(camera, count):
    port = free_port()
    with headwater(f"cam={camera}", options=["--rtsp", f"127.0.0.1:{port}"]) as (process, _):
        wait_for_port(port, process)
        cost, rate, gaps = deliver(process.pid, port, "cam", count)
    if gaps:
        fail(f"headwater, {count} readers: {gaps} gaps")
    record("rtsp", kind="round", who="headwater", clients=count, ms_per_mb=cost, mb_s=rate, gaps=gaps)
    return cost


def gstreamer_round(camera, count):
    port = free_port()
    with running(["/usr/bin/python3", "-c", GSTREAMER, port, camera], port) as process:
        cost, rate, gaps = deliver(process.pid, port, "cam", count)
    record("rtsp", kind="round", who="gstreamer", clients=count, ms_per_mb=cost, mb_s=rate, gaps=gaps)
    return cost


def has_gstreamer():
    probe = 'import gi; gi.require_version("GstRtspServer", "1.0")'
    return subprocess.run(["/usr/bin/python3", "-c", probe], stderr=subprocess.DEVNULL).returncode == 0


def main():
    begin("rtsp")
    port = free_port()
    camera = f"rtsp://127.0.0.1:{port}/camera"
    with rtsp_camera(port, WORK / "rtsp-camera.log"):
        for count in CLIENTS:
            ours = lambda: headwater_round(camera, count)
            if has_gstreamer():
                pairs = alternate(ROUNDS, ours, lambda: gstreamer_round(camera, count))
                mine, theirs = (median(pair[side] for pair in pairs) for side in (0, 1))
            else:
                print("  gir1.2-gst-rtsp-server-1.0 is not there: nothing to compare with")
                mine, theirs = median(ours() for _ in range(ROUNDS)), None
            row("rtsp", f"{count} readers over TCP", mine, theirs, "", "ms/MB", "", "GStreamer")
    end("rtsp")


main()
