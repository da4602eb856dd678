"""The native window, on a screen that nobody sees; the cameras of a machine."""

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

import pytest
from conftest import screen

import headwater
from headwater import _v4l2


@contextlib.contextmanager
def shown(program, environment):
    child = subprocess.Popen(
        [sys.executable, "-c", "import headwater, sys\n" + program],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            yield child
            child.wait(timeout=60)
        finally:
            child.kill()


def xdotool(environment, *arguments):
    tool = shutil.which("xdotool")
    assert tool, "xdotool is missing"
    return subprocess.run([tool, *arguments], capture_output=True, text=True, env=environment, timeout=30).stdout


def window(environment, child, name):
    """Waits for the window of that name; its number."""
    until = time.monotonic() + 30
    while not (found := xdotool(environment, "search", "--onlyvisible", "--name", name).split()):
        assert child.poll() is None and time.monotonic() < until, child.communicate()
        time.sleep(0.02)
    return found[0]


def test_q_closes_the_window_and_the_source_with_it():
    with screen() as environment:
        with shown("headwater.show('pattern:?size=160x64', name='cam'); print('closed')", environment) as child:
            number = window(environment, child, "^cam .* live")
            xdotool(environment, "windowfocus", "--sync", number, "key", "q")
            said = child.communicate(timeout=60)
        assert (child.returncode, *said) == (0, "closed\n", "")


def test_an_open_capture_is_shown_in_its_own_time_and_left_open(clips):
    program = (
        f"with headwater.open({clips('h264.mp4')!r}) as capture:\n"
        "    headwater.show(capture, seconds=0.6)\n"
        "    print(capture.closed, 0 < capture.position[0] < 45)\n"
        "    headwater.show(capture, seconds=0.2)\n"
    )
    with screen() as environment, shown(program, environment) as child:
        assert child.communicate(timeout=60) == ("False True\n", "")


def test_ctrl_c_closes_the_window():
    program = (
        "try:\n    headwater.show('http://127.0.0.1:1/x', name='cam')\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
    )
    with screen() as environment, shown(program, environment) as child:
        window(environment, child, "^cam .* no signal")
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=60) == ("interrupted\n", "")


def test_without_a_display_it_says_so(monkeypatch, clips):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(headwater.Unsupported, match="no display"):
        headwater.show("pattern:")
    with pytest.raises(FileNotFoundError):
        headwater.show("/no/such/file.mp4")


@pytest.fixture
def camera(monkeypatch, tmp_path):
    """A device whose answers are made up, since machines that run tests have none."""
    path = tmp_path / "video7"
    path.touch()
    controls = {0x00980900: [5, -10, 10]}

    def ioctl(descriptor, request, argument):
        assert os.fstat(descriptor).st_ino == path.stat().st_ino
        if request == 0x80685600:
            struct.pack_into("=16s32s32sIII", argument, 0, b"uvcvideo", b"A Camera", b"usb-1", 0, 0x80000001, 1)
            return
        number = struct.unpack_from("=I", argument)[0]
        if number not in controls:
            raise OSError(22, "Invalid argument")
        value, least, most = controls[number]
        if request == 0xC0445624:
            struct.pack_into("=II32siiii", argument, 0, number, 1, b"Brightness", least, most, 1, 0)
        elif request == 0xC008561B:
            struct.pack_into("=Ii", argument, 0, number, value)
        else:
            controls[number][0] = struct.unpack_from("=Ii", argument)[1]

    monkeypatch.setattr(_v4l2, "_ioctl", ioctl)
    return str(path)


def test_a_camera_tells_its_name_and_takes_controls_in_their_range(camera):
    assert _v4l2._ask(camera) == ("A Camera", "uvcvideo", "usb-1", True)
    brightness, gain = 10, 14
    assert _v4l2.control(camera, brightness) == 5 and _v4l2.control(camera, gain) is None
    assert _v4l2.set_control(camera, brightness, 99.0) and _v4l2.control(camera, brightness) == 10
    assert not _v4l2.set_control(camera, gain, 1) and not _v4l2.set_control(camera, 9999, 1)
    assert not _v4l2.set_control("/no/such/device", brightness, 1)


def test_devices_are_those_of_the_machine():
    there = [name for name in os.listdir("/dev") if name.startswith("video") and name[5:].isdigit()]
    found = headwater.devices()
    assert len(found) <= len(there) and all(device.path == f"/dev/video{device.index}" for device in found)
    assert [_v4l2.path_of(url) for url in ("0", "v4l2:/dev/video3", "v4l2://1", "clip.mp4", "123")] == [
        "/dev/video0",
        "/dev/video3",
        "/dev/video1",
        None,
        None,
    ]
