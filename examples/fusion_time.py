#!/usr/bin/env python3
"""Pictures of two cameras that were taken at the same moment: fusion_time.py [--frames N] URL URL

`frame.captured` is when the camera took it, by its own clock, where the protocol tells (RTSP, Windows Media, cameras with
X-Timestamp). `frame.wall` is when it arrived here, which is later by what coding and the network took: another time for
each camera. Sensors of other kinds (radar, GPS) are matched to `captured` in the same way.
"""

import argparse
import signal

import headwater

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--frames", type=int, default=-1, help="stop after so many pairs")
parser.add_argument("--within", type=float, default=0.02, help="seconds that a pair may be apart")
parser.add_argument("url", nargs=2)
arguments = parser.parse_args()
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback


def taken(frame):
    return (frame.captured or frame.wall).timestamp()


with headwater.open(arguments.url[0]) as left, headwater.open(arguments.url[1]) as right:
    newest = {}
    while arguments.frames and (ready := headwater.wait_any([left, right], timeout=10)):
        newest |= dict(ready)
        if len(newest) == 2 and abs(apart := taken(newest[left]) - taken(newest[right])) <= arguments.within:
            clock = "the cameras' clocks" if newest[left].captured and newest[right].captured else "arrival"
            print(f"frames {newest[left].index} and {newest[right].index}, {apart * 1000:+.1f} ms by {clock}", flush=True)
            newest.clear()
            arguments.frames -= 1
