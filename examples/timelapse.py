#!/usr/bin/env python3
"""A picture every so often, with the time in its name: timelapse.py rtsp://10.0.0.5/stream 10 shots      every 10 seconds

The camera stays open and is opened again when it is lost, but only what is kept is converted. For a picture an hour,
a loop of `headwater.open`, `read` and `close` is kinder to the camera.
"""

import pathlib
import signal
import sys

import headwater

len(sys.argv) >= 4 or sys.exit("usage: timelapse.py URL SECONDS FOLDER [COUNT]")
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
url, seconds, folder = sys.argv[1], float(sys.argv[2]), pathlib.Path(sys.argv[3])
most = int(sys.argv[4]) if len(sys.argv) > 4 else None
folder.mkdir(parents=True, exist_ok=True)
with headwater.open(url, every=1 / seconds, latest=True, reconnect=True) as camera:
    for number, frame in enumerate(camera, 1):
        taken = frame.captured or frame.wall
        path = folder / f"{taken:%Y%m%d-%H%M%S.%f}.jpg"
        path.write_bytes(frame.jpeg(quality=90))
        print(path, flush=True)
        if number == most:
            break
