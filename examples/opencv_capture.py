#!/usr/bin/env python3
"""Read a camera through headwater with OpenCV.

    opencv_capture.py http://localhost:8090/cam2.mjpeg --show       a window; q quits
    opencv_capture.py http://localhost:8090/cam2.mjpeg?fps=5 --frames 20

The relay keeps the camera's one connection and reconnects by itself; with
?placeholder=1 the capture goes on while the camera is away, too.

It needs OpenCV: pip install opencv-python
"""
import argparse
import signal
import sys
import time

try:
    import cv2
except ImportError as error:
    sys.exit("opencv_capture.py: %s; pip install opencv-python" % error)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("url")
    ap.add_argument("--frames", type=int, default=0, help="stop after so many; 0 is never")
    ap.add_argument("--show", action="store_true", help="show them in a window")
    ap.add_argument("--save", metavar="PATTERN", help="write them, as in shots/%%04d.png")
    a = ap.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback

    capture = cv2.VideoCapture(a.url)
    if not capture.isOpened():
        sys.exit("%s cannot be opened; is headwater running?" % a.url)
    count, began = 0, time.monotonic()
    while not a.frames or count < a.frames:
        there, picture = capture.read()
        if not there:
            break
        if a.save:
            cv2.imwrite(a.save % count, picture)
        count += 1
        if a.show:
            cv2.imshow(a.url, picture)
            if cv2.waitKey(1) & 0xFF == ord("q"):
                break
    seconds = max(time.monotonic() - began, 1e-9)
    print("%d pictures, %.1f a second" % (count, count / seconds))
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main())
