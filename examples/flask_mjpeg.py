#!/usr/bin/env python3
"""A camera on a web page of your own, with Flask: flask_mjpeg.py rtsp://10.0.0.5/stream, then http://localhost:5000/

A JPEG camera's own bytes are passed on; anything else is coded once for each viewer, at the pace of that viewer. For
many viewers, run the relay: it codes once for all.
"""

import signal
import sys

import headwater

try:
    from flask import Flask, Response
except ImportError as error:
    sys.exit(f"flask_mjpeg.py: {error}; pip install flask")

app = Flask(__name__)


@app.get("/")
def page():
    return "<!doctype html><title>camera</title><img src='/video'>"


@app.get("/video")
def video():
    def parts():
        with headwater.open(app.config["SOURCE"], latest=True) as camera:
            for frame in camera:
                jpeg = frame.jpeg()
                yield b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg + b"\r\n"

    return Response(parts(), mimetype="multipart/x-mixed-replace; boundary=frame")


if __name__ == "__main__":
    len(sys.argv) == 2 or sys.exit("usage: flask_mjpeg.py URL")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    app.config["SOURCE"] = sys.argv[1]
    app.run(threaded=True)
