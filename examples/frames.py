#!/usr/bin/env python3
"""Every frame of any source as an array, in five lines: python3 examples/frames.py mms://traffic.example/cam2"""

import signal
import sys

import headwater

len(sys.argv) == 2 or sys.exit("usage: frames.py URL")
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback

with headwater.open(sys.argv[1]) as camera:
    for frame in camera:
        print(frame.index, f"{frame.pts:.3f} s", frame.bgr.shape, f"mean {frame.bgr.mean():.1f}", flush=True)
