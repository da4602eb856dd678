"""Plays a stream of JPEG by RTSP with GStreamer, pauses, and plays on: says where it was each time.

Usage: gst_pause.py URL tcp|udp. Through ctypes, since Python's own bindings are seldom installed.
"""

import ctypes
import sys
import time

EOS, ERROR = 1, 2
NULL, PAUSED, PLAYING = 1, 3, 4
TIME = 3

gst = ctypes.CDLL("libgstreamer-1.0.so.0")
pointer = ctypes.c_void_p
for name in ("gst_parse_launch", "gst_element_get_bus", "gst_bus_timed_pop_filtered"):
    getattr(gst, name).restype = pointer
gst.gst_init(None, None)
url, transport = sys.argv[1:3]
# Without async the sink would wait for a picture before it plays on, and none comes in a pause.
line = f"rtspsrc location={url} protocols={transport} latency=0 ! rtpjpegdepay ! jpegdec ! fakesink sync=false async=false"
pipeline = pointer(gst.gst_parse_launch(line.encode(), None))
bus = pointer(gst.gst_element_get_bus(pipeline))


def position():
    nanos = ctypes.c_int64()
    gst.gst_element_query_position(pipeline, TIME, ctypes.byref(nanos))
    return nanos.value / 1e9


def until(is_there, what):
    """Waits until something holds; the end of the stream, or an error, is none."""
    deadline = time.monotonic() + 20
    while not is_there():
        if gst.gst_bus_timed_pop_filtered(bus, ctypes.c_uint64(50_000_000), EOS | ERROR):
            sys.exit(f"{what}: the stream ended")
        if time.monotonic() > deadline:
            sys.exit(f"{what}: still at {position():.2f} s")


gst.gst_element_set_state(pipeline, PLAYING)
until(lambda: position() > 1, "playing")
gst.gst_element_set_state(pipeline, PAUSED)
begin = time.monotonic()
until(lambda: time.monotonic() > begin + 1, "pausing")
paused = position()
gst.gst_element_set_state(pipeline, PLAYING)
until(lambda: position() > paused + 1, "playing on")
gst.gst_element_set_state(pipeline, NULL)
print("played on")
