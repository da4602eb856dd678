#!/usr/bin/env python3
"""A detector on a live camera: detection_loop.py [--frames N] rtsp://10.0.0.5/stream

`detect` stands in for your model (a YOLO, say): it finds what moved. It may take as long as it likes: the next frame is
the newest, not the next in a queue, so what is found is what is there now. `frame.age` tells by how much that is wrong.
"""

import argparse
import signal
import sys

import headwater

try:
    import cv2
except ImportError as error:
    sys.exit(f"detection_loop.py: {error}; pip install opencv-python")


def detect(picture, before):
    """Boxes (x, y, width, height) around what differs from the picture before."""
    changed = cv2.threshold(cv2.absdiff(picture, before), 25, 255, cv2.THRESH_BINARY)[1]
    outlines, _ = cv2.findContours(cv2.dilate(changed, None, iterations=3), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [cv2.boundingRect(outline) for outline in outlines if cv2.contourArea(outline) > 40]


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--frames", type=int, default=-1, help="stop after so many")
parser.add_argument("--save", metavar="PATTERN", help="write pictures with the boxes, as in found/%%04d.png")
parser.add_argument("url")
arguments = parser.parse_args()
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback

with headwater.open(arguments.url, latest=True, reconnect=True, corrupt="drop", size=(640, 0)) as camera:
    before = camera.read().gray
    for frame in camera:
        boxes = detect(frame.gray, before)
        before = frame.gray
        for x, y, width, height in boxes:
            cv2.rectangle(frame.bgr, (x, y), (x + width, y + height), (0, 0, 255), 2)
        print(f"frame {frame.index}: {len(boxes)} found, {frame.age * 1000:.0f} ms old, {frame.dropped_before} left out", flush=True)
        if arguments.save:
            cv2.imwrite(arguments.save % frame.index, frame.bgr)
        arguments.frames -= 1
        if not arguments.frames:
            break
