"""The tkinter widget, on a screen that nobody sees."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FRAMES, screen


def test_a_viewer_shows_pictures_says_why_there_is_none_and_closes_the_source(clips):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    with screen() as environment:
        # In a process of its own, since Tk ends its process when the screen goes.
        program = Path(__file__).with_name("tk_window.py")
        arguments = [sys.executable, program, clips("mpeg4.avi"), str(FRAMES - 1)]
        run = subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=120)
    assert (run.returncode, run.stdout) == (0, "seen\n"), run.stderr
