#!/usr/bin/env python3
"""Read an MJPEG stream with nothing but urllib, and each picture as an OpenCV array.

    classic_loop.py http://localhost:8090/cam2.mjpeg --show        a window; q quits
    classic_loop.py http://localhost:8090/cam2.mjpeg --frames 100

It needs OpenCV and numpy: pip install opencv-python numpy

The loop that every forum has looks for FFD8 and FFD9 in whatever has arrived. Two
things it gets wrong are right here: it never searches the same bytes twice, and it
drops what came before the last whole picture when the program is slower than the
camera, so that what you see is now.

A marker cannot occur inside the coded data of a picture, but it can inside its metadata
(a camera's EXIF thumbnail is a JPEG of its own). headwater sends a Content-Length with
each picture; a program that wants every byte right reads that instead.
"""
import argparse
import signal
import sys
import urllib.request

try:
    import cv2
    import numpy as np
except ImportError as error:
    sys.exit("classic_loop.py: %s; pip install opencv-python numpy" % error)

START, END = b"\xff\xd8", b"\xff\xd9"


def pictures(url, every=False):
    """Yield pictures as arrays; with `every`, also those that are no longer the newest."""
    data, searched = b"", 0
    with urllib.request.urlopen(url, timeout=10) as stream:
        while True:
            piece = stream.read1(65536)
            if not piece:
                return
            data += piece
            found = []
            while (end := data.find(END, searched)) >= 0:
                begin = data.find(START, 0, end)
                if begin >= 0:
                    found.append(data[begin:end + 2])
                data, searched = data[end + 2:], 0
            # An END may be cut in two by the next read.
            searched = max(0, len(data) - 1)
            for jpeg in found if every else found[-1:]:
                picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
                if picture is not None:
                    yield picture


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("url")
    ap.add_argument("--frames", type=int, default=0, help="stop after so many; 0 is never")
    ap.add_argument("--every", action="store_true", help="decode every picture, not only the newest")
    ap.add_argument("--show", action="store_true", help="show them in a window")
    ap.add_argument("--save", metavar="PATTERN", help="write them, as in shots/%%04d.png")
    a = ap.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    count = 0
    for picture in pictures(a.url, a.every):
        height, width = picture.shape[:2]
        if a.save:
            cv2.imwrite(a.save % count, picture)
        count += 1
        if a.show:
            cv2.imshow(a.url, picture)
            if cv2.waitKey(1) & 0xFF == ord("q"):
                break
        elif not a.frames:
            print("%d: %dx%d, mean brightness %.1f" % (count, width, height, picture.mean()))
        if a.frames and count >= a.frames:
            break
    print("%d pictures" % count)
    return 0 if count else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:  # urllib's errors are of this family
        sys.exit("classic_loop.py: %s; is headwater running, and is the name right?" % error)
