#!/usr/bin/env python3
"""Four cameras as one picture, each at its own pace: four_cameras.py [--frames N] URL URL URL URL      writes four.png

One thread is enough: `wait_any` gives whoever has something new. A camera that is lost keeps its last picture and comes
back by itself.
"""

import argparse
import signal
import sys

import headwater

try:
    import cv2
    import numpy as np
except ImportError as error:
    sys.exit(f"four_cameras.py: {error}; pip install opencv-python numpy")

WIDTH, HEIGHT = 320, 240
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--frames", type=int, default=0, help="stop after so many; 0 is never")
parser.add_argument("--out", default="four.png")
parser.add_argument("url", nargs=4)
arguments = parser.parse_args()
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback

wall = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)
cameras = [headwater.open(url, size=(WIDTH, HEIGHT), latest=True) for url in arguments.url]
seen = [0] * 4
while ready := headwater.wait_any(cameras, timeout=10):
    for camera, frame in ready:
        place = cameras.index(camera)
        row, column = divmod(place, 2)
        wall[row * HEIGHT : (row + 1) * HEIGHT, column * WIDTH : (column + 1) * WIDTH] = frame.bgr
        seen[place] += 1
    if arguments.frames and min(seen) >= arguments.frames:
        break
cv2.imwrite(arguments.out, wall)
for camera, frames in zip(cameras, seen, strict=True):
    print(f"{camera.url}: {frames} frames, {camera.stats.dropped} left out")
    camera.close()
