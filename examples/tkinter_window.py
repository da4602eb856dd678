#!/usr/bin/env python3
"""A camera in a tkinter window, with PIL: tkinter_window.py rtsp://10.0.0.5/stream      Esc or q quits

`headwater.tk.Viewer` is this as a widget, without PIL.
"""

import signal
import sys

import headwater

try:
    import tkinter
except ImportError as error:
    sys.exit(f"tkinter_window.py: {error}; apt install python3-tk")
try:
    from PIL import ImageTk
except ImportError as error:
    sys.exit(f"tkinter_window.py: {error}; pip install pillow")

len(sys.argv) == 2 or sys.exit("usage: tkinter_window.py URL")
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
window = tkinter.Tk()
window.title(sys.argv[1])
label = tkinter.Label(window)
label.pack()
for key in ("<Escape>", "q"):
    window.bind(key, lambda event: window.destroy())


def look():
    # Never waits: nothing, if there is nothing newer than what is shown.
    if frame := camera.latest():
        picture = frame.pil()
        if label.image is None or (label.image.width(), label.image.height()) != picture.size:
            label.image = ImageTk.PhotoImage(picture)
            label.configure(image=label.image)
        else:
            label.image.paste(picture)  # the same object again, so that nothing flickers
        print(f"frame {frame.index}, {frame.age * 1000:.0f} ms old", flush=True)
    window.after(10, look)


label.image = None
with headwater.open(sys.argv[1], size=(640, 0)) as camera:
    look()
    window.mainloop()
