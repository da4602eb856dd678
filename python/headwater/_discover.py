"""Which cameras are there: what `headwater discover` finds, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import _headwater, _log
from ._log import logger


@dataclass(frozen=True)
class Stream:
    """A stream of a camera that tells them."""

    #: Name, codec and size, as far as it tells.
    what: str
    #: What opens it, without user and password.
    url: str


@dataclass(frozen=True)
class Found:
    """Something that `headwater.open(found.url)` opens; where it wants a login, with `user=` and `password=`."""

    #: How it was found: "ONVIF", "mDNS", "webcam", "go2rtc", "MediaMTX".
    kind: str
    #: What opens it, without user and password.
    url: str
    #: Maker and model, as far as it tells.
    make: str
    #: What it is called by who set it up; empty where it is not.
    name: str
    #: Its streams, of a camera that told them.
    streams: tuple[Stream, ...] = field(default=())
    #: Why there is no more to tell.
    trouble: str | None = None


def discover(
    *hosts: str,
    timeout: float = 3.0,
    user: str | None = None,
    password: str | None = None,
    interface: str | None = None,
) -> list[Found]:
    """Looks for cameras in the network, by ONVIF and mDNS, and for the webcams of this machine. Opens none of them.

    With `hosts` it asks those alone: "10.0.0.7" by ONVIF, "http://10.0.0.2:1984" for the streams of a go2rtc,
    "http://10.0.0.2:9997" for those of a MediaMTX. Answers are waited for `timeout` seconds, and then each camera has as
    long to tell its streams: it takes no longer than twice that, unless there are more than 16 cameras. Ctrl-C ends it.

    Cameras are asked as `user` with `password`; everything that answers by ONVIF gets a digest of it, so give them where
    you trust who is in the network. `interface` is the one to ask from, by name. Who could not be asked is a warning in
    the log; of nobody who answers the list is empty.

    >>> import headwater
    >>> headwater.discover("http://127.0.0.1:1")
    []
    """
    if (user is None) != (password is None):
        raise ValueError("discover: user and password go together")
    if interface is not None and hosts:
        raise ValueError("discover: hosts are asked from whatever interface leads there; leave interface out")
    if interface is not None:
        import socket

        there = [name for _, name in socket.if_nameindex()]
        if interface not in there:
            raise ValueError(f"discover: there is no interface {interface!r}; expected one of {', '.join(there)}")
    for host in hosts:
        if isinstance(host, str) and "/" in host and "://" not in host:
            raise ValueError(f"discover: {host!r}: one device is asked, and not a network; expected one as '10.0.0.7'")
    _log.start()
    found, silent, more = _headwater.discover(list(hosts), timeout, user, password, interface)
    for who, why in silent:
        logger.warning("%s: %s", who, why)
    if more:
        logger.warning("there is more, which is left out")
    return [
        Found(kind, url, make, name, tuple(Stream(*stream) for stream in streams), trouble)
        for kind, url, make, name, streams, trouble in found
    ]
