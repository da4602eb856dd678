#!/usr/bin/env python3
"""Record any source with cv2.VideoWriter: record.py rtsp://10.0.0.5/stream out.avi 10      ten seconds

A file has a fixed rate and a camera has not. Each frame is written as often as its time asks for, so that a minute of
the file is a minute of the camera, also where frames are missing.
"""

import sys

import headwater

try:
    import cv2
except ImportError as error:
    sys.exit(f"record.py: {error}; pip install opencv-python")

len(sys.argv) == 4 or sys.exit("usage: record.py URL FILE.avi SECONDS")
url, path, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
with headwater.open(url, latest=False, buffer=25, reconnect=False) as camera:
    rate = camera.info.fps or 25
    writer, written, start = None, 0, 0.0
    try:
        for frame in camera:
            if writer is None:
                writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), rate, (frame.width, frame.height))
                start = frame.pts
            if frame.pts - start >= seconds:
                break
            while written <= (frame.pts - start) * rate + 0.5:
                writer.write(frame.bgr)
                written += 1
    except KeyboardInterrupt:
        pass  # Ctrl-C: what there is becomes a whole file
    if writer:
        writer.release()
print(f"{written} frames at {rate:.3g} a second")
