#!/usr/bin/env python3
"""A stock OpenCV program with one line changed: opencv_drop_in.py mms://traffic.example/cam2

`import cv2` became the line below. Everything but the capture is still OpenCV's.
"""

import signal
import sys

import headwater.cv2compat as cv2

hasattr(cv2, "Canny") or sys.exit("opencv_drop_in.py: OpenCV is not installed; pip install opencv-python")
len(sys.argv) == 2 or sys.exit("usage: opencv_drop_in.py URL")
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
capture = cv2.VideoCapture(sys.argv[1])
if not capture.isOpened():
    sys.exit(f"cannot open: {capture.error}")
width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
print(f"{width:.0f}x{height:.0f}, {capture.get(cv2.CAP_PROP_FPS):.3g} a second")
count = 0
while True:
    there, frame = capture.read()
    if not there:
        break
    edges = cv2.Canny(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), 50, 150)
    count += 1
capture.release()
print(f"{count} frames, {cv2.countNonZero(edges)} pixels of edges in the last")
