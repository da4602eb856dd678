"""rtsp_camera.py PORT CLIP.h264 LOG [FPS]: a camera that sends numbered H.264 by RTSP over TCP.

It runs from its start on, watched or not, as cameras do: who connects gets the picture that is
due, keyframe or not. Each access unit goes out in one piece at its time; LOG gets a line for
it, with the connection, the place in the clip, whether it is a keyframe, and the microsecond
of CLOCK_MONOTONIC before its first byte went to the kernel.
"""

import base64
import re
import socketserver
import struct
import sys
import threading
import time

PORT, CLIP, LOG = int(sys.argv[1]), sys.argv[2], sys.argv[3]
FPS = float(sys.argv[4]) if len(sys.argv) > 4 else 25.0
MOST = 1400


def units(path):
    """The access units of an Annex B stream, each a list of NAL units."""
    found, unit = [], []
    for nal in re.split(b"\x00\x00\x00?\x01", open(path, "rb").read())[1:]:
        kind = nal[0] & 31
        first_slice = kind in (1, 5) and nal[1] & 0x80
        if unit and (kind in (7, 9) or first_slice) and any(n[0] & 31 in (1, 5) for n in unit):
            found.append(unit)
            unit = []
        if kind != 9:
            unit.append(nal)
    return found + [unit]


UNITS = units(CLIP)
SPS = next(n for u in UNITS for n in u if n[0] & 31 == 7)
PPS = next(n for u in UNITS for n in u if n[0] & 31 == 8)
BEGIN = time.monotonic()
log = open(LOG, "a", buffering=1)


def packets(unit):
    """RTP payloads and whether each is the unit's last (RFC 6184)."""
    for i, nal in enumerate(unit):
        last = i == len(unit) - 1
        if len(nal) <= MOST:
            yield nal, last
            continue
        pieces = [nal[at : at + MOST] for at in range(1, len(nal), MOST)]
        for j, piece in enumerate(pieces):
            edge = (0x80 if j == 0 else 0) | (0x40 if j == len(pieces) - 1 else 0)
            yield bytes([nal[0] & 0xE0 | 28, edge | nal[0] & 31]) + piece, last and j == len(pieces) - 1


class Camera(socketserver.BaseRequestHandler):
    number = 0

    def handle(self):
        Camera.number += 1
        self.connection_number = Camera.number
        self.request.setsockopt(6, 1, 1)
        received = b""
        while True:
            try:
                piece = self.request.recv(4096)
            except ConnectionResetError:
                return
            if not piece:
                return
            received += piece
            # Interleaved packets of the client's are none of our business.
            while received[:1] == b"$" and len(received) >= 4:
                received = received[4 + struct.unpack(">H", received[2:4])[0] :]
            while b"\r\n\r\n" in received and received[:1] != b"$":
                head, received = received.split(b"\r\n\r\n", 1)
                self.answer(head.decode("latin-1"))

    def answer(self, head):
        method, url = head.split(" ", 2)[:2]
        sequence = re.search(r"(?im)^cseq: *(\d+)", head)[1]
        lines, body = [], ""
        if method == "OPTIONS":
            lines = ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"]
        elif method == "DESCRIBE":
            sets = ",".join(base64.b64encode(n).decode() for n in (SPS, PPS))
            body = (
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=bench\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
                "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n"
                f"a=fmtp:96 packetization-mode=1;profile-level-id={SPS[1:4].hex()};sprop-parameter-sets={sets}\r\n"
            )
            lines = [f"Content-Base: {url.rstrip('/')}/", "Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            lines = ["Session: 1;timeout=60", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00000001"]
        elif method == "PLAY":
            lines = ["Session: 1", "Range: npt=0.000-"]
        else:
            lines = ["Session: 1"]
        text = "\r\n".join(["RTSP/1.0 200 OK", f"CSeq: {sequence}", *lines, "", body])
        self.request.sendall(text.encode())
        if method == "PLAY":
            threading.Thread(target=self.film, daemon=True).start()

    def film(self):
        index = int((time.monotonic() - BEGIN) * FPS) + 1
        sequence = 0
        try:
            while True:
                unit = UNITS[index % len(UNITS)]
                out = bytearray()
                for payload, last in packets(unit):
                    rtp = struct.pack(">BBHII", 0x80, 96 | (0x80 if last else 0), sequence & 0xFFFF,
                                      int(index * 90000 / FPS) & 0xFFFFFFFF, 1)
                    out += b"$\0" + struct.pack(">H", len(rtp) + len(payload)) + rtp + payload
                    sequence += 1
                time.sleep(max(0.0, BEGIN + index / FPS - time.monotonic()))
                key = any(n[0] & 31 == 5 for n in unit)
                stamp = time.monotonic_ns() // 1000
                self.request.sendall(out)
                log.write(f"{self.connection_number} {index % len(UNITS)} {int(key)} {stamp}\n")
                index += 1
        except OSError:
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("127.0.0.1", PORT), Camera).serve_forever()
