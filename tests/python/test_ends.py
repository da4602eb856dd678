"""How calls and programs end that are told to in the middle."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import silent

import headwater

READERS = """
import threading, headwater
captures = [headwater.open("pattern:?size=160x64&fps=200", on_state=print) for _ in range(3)]
def read(capture):
    while True:
        capture.read().bgr
for capture in captures:
    threading.Thread(target=read, args=(capture,), daemon=True).start()
captures[0].read()
"""


def test_a_program_may_end_while_its_threads_import_numpy_and_read():
    # An abort where there was one: in nine of ten.
    for _ in range(10):
        ran = subprocess.run([sys.executable, "-P", "-c", READERS], capture_output=True, text=True, timeout=60)
        assert (ran.returncode, ran.stderr) == (0, "")


def interrupted(call, after=0.3):
    """How long `call` goes on after Ctrl-C."""
    pressed = []

    def press():
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        call()
    return time.monotonic() - pressed[0]


def test_ctrl_c_ends_opening_in_an_event_loop(server):
    url = server.url("/silent", silent)
    assert interrupted(lambda: asyncio.run(headwater.aopen(url, timeout=20))) < 5


def test_who_gives_up_opening_in_an_event_loop_leaves_nothing_behind(server):
    url = server.url("/silent", silent)
    states = []

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(headwater.aopen(url, timeout=20, on_state=states.append), 0.2)

    began = time.monotonic()
    asyncio.run(give_up())
    assert time.monotonic() - began < 10
    while "closed" not in states:
        assert time.monotonic() - began < 10
        time.sleep(0.01)


def test_opening_in_an_event_loop_tells_what_opening_tells(server, tmp_path):
    for source, kind in ((str(tmp_path / "none.mp4"), headwater.NotFound), (b"no video " * 99, headwater.NotVideo)):
        with pytest.raises(kind) as plain:
            headwater.open(source)
        with pytest.raises(kind) as raised:
            asyncio.run(headwater.aopen(source))
        assert raised.value.url == plain.value.url
        assert raised.value.phase == plain.value.phase and raised.value.hint == plain.value.hint
    with pytest.raises(headwater.Timeout) as raised:
        asyncio.run(headwater.aopen(server.url("/silent", silent), timeout=0.3))
    assert raised.value.phase == "handshake" and 0.2 < raised.value.elapsed < 10
    with pytest.raises(TypeError):
        asyncio.run(headwater.aopen("pattern:", colour="red"))
