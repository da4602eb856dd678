"""What can be given as a source: a URL, a path, a number, bytes, an open file."""

from __future__ import annotations

import numbers
import os
import stat
from typing import Any, BinaryIO, NamedTuple

#: What `open` takes.
Source = str | os.PathLike[str] | int | bytes | bytearray | memoryview | BinaryIO
#: Read at once of a file that is no file of the system.
_PIECE = 1 << 20


class Resolved(NamedTuple):
    """A source that the Rust side can open."""

    url: str
    #: A descriptor that has to stay open as long as the capture.
    kept: Kept | None
    #: What the user knows it as.
    name: str


class Kept:
    """A descriptor that is closed with the last reference to it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @property
    def url(self) -> str:
        # Not /dev/fd: opening that again is opening the file again, with a place of its own in it.
        return f"/proc/self/fd/{self.descriptor}"

    def __del__(self) -> None:
        os.close(self.descriptor)


def resolve(source: Source, user: str | None = None, password: str | None = None) -> Resolved:
    """The URL that is meant by `source`, and what it needs.

    >>> resolve(0).url, resolve("clip.mp4").url, resolve("rtsp://cam/x", "me", "p@ss").url
    ('0', 'clip.mp4', 'rtsp://me:p%40ss@cam/x')
    >>> resolve(b"...").name
    '<bytes>'
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        kept = _in_memory()
        _write(kept, source)
        return Resolved(kept.url, kept, "<bytes>")
    if callable(getattr(source, "read", None)):
        return _of_file(source)
    if isinstance(source, bool) or not isinstance(source, (str, numbers.Integral, os.PathLike)):
        expected = "a URL, a path, the number of a camera, bytes or a file opened for reading bytes"
        raise TypeError(f"source: expected {expected}, found {type(source).__name__}")
    # Numbers of numpy are meant as well.
    url = str(int(source)) if isinstance(source, numbers.Integral) else os.fsdecode(os.fspath(source))
    if user is None and password is None:
        return Resolved(url, None, url)
    from urllib.parse import quote

    scheme, there, rest = url.partition("://")
    if not there:
        raise ValueError("user and password are for URLs with a host")
    if "@" in rest.partition("/")[0]:
        # Neither is better than the other, and to try both may lock the account.
        raise ValueError("user and password are given, and stand in the URL, too: leave one of them out")
    url = f"{scheme}://{quote(user or '', safe='')}:{quote(password or '', safe='')}@{rest}"
    return Resolved(url, None, url)


def _of_file(source: Any) -> Resolved:
    name = getattr(source, "name", None)
    name = name if isinstance(name, str) else "<file>"
    try:
        descriptor = os.dup(source.fileno())
    except (AttributeError, OSError):
        descriptor = None
    if descriptor is not None:
        kept = Kept(descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Resolved(kept.url, kept, name)
    kept = _in_memory()
    while piece := source.read(_PIECE):
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise TypeError(f"source: {name} gives {type(piece).__name__}; open it for reading bytes, with mode 'rb'")
        _write(kept, piece)
    return Resolved(kept.url, kept, name)


def _write(kept: Kept, piece: bytes | bytearray | memoryview) -> None:
    rest = memoryview(piece).cast("B")
    while rest:
        rest = rest[os.write(kept.descriptor, rest) :]


def _in_memory() -> Kept:
    return Kept(os.memfd_create("headwater", os.MFD_CLOEXEC))
