"""http_camera.py PORT CLIP.mjpeg LOG [FPS]: a camera that sends numbered JPEGs over HTTP.

As rtsp_camera.py: it runs from its start on, watched or not, and LOG gets a line for each
picture, with the connection, the place in the clip, 1, and the microsecond of CLOCK_MONOTONIC
before its first byte went to the kernel. With FPS 0 it sends as fast as it is read.
"""

import http.server
import sys
import time

PORT, CLIP, LOG = int(sys.argv[1]), sys.argv[2], sys.argv[3]
FPS = float(sys.argv[4]) if len(sys.argv) > 4 else 25.0
DATA = open(CLIP, "rb").read()
STARTS = [0]
while (at := DATA.find(b"\xff\xd9\xff\xd8", STARTS[-1])) >= 0:
    STARTS.append(at + 2)
PICTURES = [DATA[a:b] for a, b in zip(STARTS, STARTS[1:] + [len(DATA)], strict=True)]
BEGIN = time.monotonic()
log = open(LOG, "a", buffering=1)


class Camera(http.server.BaseHTTPRequestHandler):
    number = 0

    def do_GET(self):
        Camera.number += 1
        connection = Camera.number
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
        self.end_headers()
        index = int((time.monotonic() - BEGIN) * FPS) + 1 if FPS else 0
        try:
            while True:
                place = index % len(PICTURES)
                picture = PICTURES[place]
                part = b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(picture), picture)
                if FPS:
                    time.sleep(max(0.0, BEGIN + index / FPS - time.monotonic()))
                    stamp = time.monotonic_ns() // 1000
                    log.write(f"{connection} {place} 1 {stamp}\n")
                self.connection.sendall(part)
                index += 1
        except OSError:
            pass
        self.close_connection = True

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Camera)
server.daemon_threads = True
server.serve_forever()
