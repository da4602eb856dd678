"""The tkinter widget, on a screen that nobody sees."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FRAMES


def test_a_viewer_shows_pictures_says_why_there_is_none_and_closes_the_source(clips):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    server = shutil.which("Xvfb")
    assert server, "Xvfb is missing"
    number, told = os.pipe()
    command = [server, "-displayfd", str(told), "-screen", "0", "800x600x24"]
    with subprocess.Popen(command, pass_fds=[told], stderr=subprocess.DEVNULL) as screen:
        os.close(told)
        with os.fdopen(number) as display:
            environment = {**os.environ, "DISPLAY": ":" + display.readline().strip()}
        # In a process of its own, since Tk ends its process when the screen goes.
        program = Path(__file__).with_name("tk_window.py")
        arguments = [sys.executable, program, clips("mpeg4.avi"), str(FRAMES - 1)]
        run = subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=120)
        screen.terminate()
    assert (run.returncode, run.stdout) == (0, "seen\n"), run.stderr
