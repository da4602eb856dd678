"""A window with widgets in it, looked at until they show what they should; run by test_tk.py."""

import sys
import time
import tkinter

from headwater.tk import Viewer

window = tkinter.Tk()


def until(done):
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        window.update()
        time.sleep(0.005)


clip, last = sys.argv[1], int(sys.argv[2])
viewer = Viewer(window, clip, size=(160, 0))
viewer.pack()
until(lambda: viewer.frame is not None and viewer.frame.index == last)
picture = viewer._picture
assert (picture.width(), picture.height()) == (160, 90)
assert picture.get(80, 45) == tuple(viewer.frame.rgb[45, 80])
picture = viewer.frame.tk(window, size=(0, 30))
assert (picture.width(), picture.height()) == (53, 30)
assert viewer.frame.tk().width() == 160

live = Viewer(window, "pattern:?size=160x64")
live.pack()
until(lambda: live.frame is not None and live.frame.index > 2)
capture = live.capture
live.destroy()
assert capture.closed

nowhere = Viewer(window, "http://127.0.0.1:1/x")
nowhere.pack()
until(lambda: "connection refused" in nowhere.cget("text"))
window.destroy()
print("seen")
