"""The cameras of this machine, and their controls: Video4Linux, as far as it needs no pictures.

Numbers and layouts are those of `linux/videodev2.h`, the same on every processor.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from . import _constants as c

_QUERYCAP = 0x80685600
_G_CTRL, _S_CTRL, _QUERYCTRL = 0xC008561B, 0xC008561C, 0xC0445624
#: struct v4l2_capability: driver, card, bus_info, version, capabilities, device_caps, reserved.
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
#: struct v4l2_control: id, value.
_CONTROL = struct.Struct("=Ii")
#: struct v4l2_queryctrl: id, type, name, minimum, maximum, step, default_value, flags, reserved.
_QUERY = struct.Struct("=II32siiiiI8x")
_CAPTURES, _CAPTURES_PLANES, _DEVICE_CAPS = 0x1, 0x1000, 0x80000000
_DISABLED = 0x1

_USER, _CAMERA = 0x00980900, 0x009A0900
#: Controls by OpenCV's property.
CONTROLS = {
    c.CAP_PROP_BRIGHTNESS: _USER,
    c.CAP_PROP_CONTRAST: _USER + 1,
    c.CAP_PROP_SATURATION: _USER + 2,
    c.CAP_PROP_HUE: _USER + 3,
    c.CAP_PROP_AUTO_WB: _USER + 12,
    c.CAP_PROP_GAMMA: _USER + 16,
    c.CAP_PROP_GAIN: _USER + 19,
    c.CAP_PROP_WB_TEMPERATURE: _USER + 26,
    c.CAP_PROP_SHARPNESS: _USER + 27,
    c.CAP_PROP_BACKLIGHT: _USER + 28,
    c.CAP_PROP_AUTO_EXPOSURE: _CAMERA + 1,
    c.CAP_PROP_EXPOSURE: _CAMERA + 2,
    c.CAP_PROP_PAN: _CAMERA + 8,
    c.CAP_PROP_TILT: _CAMERA + 9,
    c.CAP_PROP_FOCUS: _CAMERA + 10,
    c.CAP_PROP_AUTOFOCUS: _CAMERA + 12,
    c.CAP_PROP_ZOOM: _CAMERA + 13,
    c.CAP_PROP_IRIS: _CAMERA + 17,
}


@dataclass(frozen=True)
class Device:
    """A camera of this machine; `headwater.open(device.index)` opens it."""

    #: As in `/dev/video0`.
    index: int
    path: str
    #: As the driver calls it; empty where it does not tell.
    name: str
    #: The driver's own name; empty where it could not be asked.
    driver: str
    #: Where it is connected, as `usb-0000:00:14.0-1`; empty where it could not be asked.
    bus: str


def devices() -> list[Device]:
    """The cameras of this machine, by number; none where there is no Video4Linux.

    What is known not to be a camera (a decoder, the metadata of one) is left out; what may not be asked, since it is
    another user's, is in.
    """
    found = []
    for entry in Path("/dev").glob("video*"):
        if not (number := re.fullmatch(r"video(\d+)", entry.name)):
            continue
        name, driver, bus, takes_pictures = _ask(str(entry))
        if takes_pictures:
            name = name or _sysfs_name(entry.name)
            found.append(Device(int(number[1]), str(entry), name, driver, bus))
    return sorted(found, key=lambda device: device.index)


def _sysfs_name(device: str) -> str:
    try:
        return Path("/sys/class/video4linux", device, "name").read_text(errors="replace").strip()
    except OSError:
        return ""


def _ioctl(descriptor: int, request: int, argument: bytearray) -> None:
    import fcntl

    fcntl.ioctl(descriptor, request, argument, True)


def _ask(path: str) -> tuple[str, str, str, bool]:
    answer = bytearray(_CAPABILITY.size)
    try:
        with _Opened(path) as descriptor:
            _ioctl(descriptor, _QUERYCAP, answer)
    except (OSError, ImportError):
        return "", "", "", True
    driver, card, bus, _, whole, own = _CAPABILITY.unpack(answer)
    capabilities = own if whole & _DEVICE_CAPS else whole
    return _text(card), _text(driver), _text(bus), bool(capabilities & (_CAPTURES | _CAPTURES_PLANES))


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode(errors="replace")


class _Opened:
    """A descriptor for controls: a second one beside that of the pictures is in order."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> int:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def path_of(url: str) -> str | None:
    """The device that `url` means, if it means one."""
    path = url.removeprefix("v4l2:").removeprefix("//").split("?")[0]
    if re.fullmatch(r"\d{1,2}", path):
        return f"/dev/video{path}"
    return path if path.startswith(("/dev/video", "/dev/v4l/")) else None


def control(path: str, property: int) -> int | None:
    """The value of a control; None where the camera has no such one."""
    if property not in CONTROLS:
        return None
    answer = bytearray(_CONTROL.pack(CONTROLS[property], 0))
    try:
        with _Opened(path) as descriptor:
            _ioctl(descriptor, _G_CTRL, answer)
    except (OSError, ImportError):
        return None
    return _CONTROL.unpack(answer)[1]


def set_control(path: str, property: int, value: float) -> bool:
    """Whether the camera has taken a control's value, moved into its range."""
    if property not in CONTROLS:
        return False
    query = bytearray(_QUERY.pack(CONTROLS[property], 0, b"", 0, 0, 0, 0, 0))
    try:
        with _Opened(path) as descriptor:
            _ioctl(descriptor, _QUERYCTRL, query)
            _, _, _, least, most, _, _, flags = _QUERY.unpack(query)
            if flags & _DISABLED:
                return False
            value = min(max(round(value), least), most)
            _ioctl(descriptor, _S_CTRL, bytearray(_CONTROL.pack(CONTROLS[property], value)))
    except (OSError, ImportError):
        return False
    return True
