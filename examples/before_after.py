#!/usr/bin/env python3
"""What how-tos show for an MJPEG camera, and the same in three lines: before_after.py http://camera/video.mjpg

`before` searches its buffer from the start for each picture, is late by as much as the program is slow, waits for ever on a
camera that says nothing, ends at the first hiccup, and takes the thumbnail inside a picture for its end.
"""

import signal
import sys
import urllib.request

import headwater

try:
    import cv2
    import numpy as np
except ImportError as error:
    sys.exit(f"before_after.py: {error}; pip install opencv-python numpy")


def before(url):
    stream = urllib.request.urlopen(url)
    data = b""
    while True:
        piece = stream.read(1024)
        if not piece:
            return
        data += piece
        begin, end = data.find(b"\xff\xd8"), data.find(b"\xff\xd9")
        if begin != -1 and end != -1:
            jpeg, data = data[begin : end + 2], data[end + 2 :]
            yield cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def after(url):
    with headwater.open(url, timeout=10, reconnect=False) as camera:
        for frame in camera:
            yield frame.bgr


if __name__ == "__main__":
    len(sys.argv) == 2 or sys.exit("usage: before_after.py http://camera/video.mjpg")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    for name, pictures in [("before", before(sys.argv[1])), ("after", after(sys.argv[1]))]:
        print(f"{name}: {sum(picture is not None for picture in pictures)} pictures")
