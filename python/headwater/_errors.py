"""What can go wrong: one family, each member also the builtin that a caller would catch."""

from __future__ import annotations

import errno as _errno


class Error(OSError):
    """Why there is no frame. Its text is one line: the cause first, what to do last."""

    #: The source, its password masked.
    url: str
    #: How far the attempt had come: "turn", "resolve", "connect", "tls", "handshake", "first frame", "streaming".
    phase: str | None
    #: Seconds that the call or the attempt took.
    elapsed: float
    #: What to do, where there is advice.
    hint: str | None
    #: The server's status (HTTP, RTSP), where it answered with one of its own.
    status: int | None

    _errno: int | None = None

    def __init__(
        self,
        message: str = "",
        *,
        url: str = "",
        phase: str | None = None,
        elapsed: float = 0.0,
        hint: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.url, self.phase, self.elapsed, self.hint, self.status = url, phase, elapsed, hint, status
        self.errno = self._errno

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self):
        facts = {name: getattr(self, name) for name in ("url", "phase", "elapsed", "hint", "status")}
        # One that is a `cv2.error`, too, was made where it was raised: nothing finds it by its name.
        kind = globals()[type(self).__name__] if type(self).__module__ == __name__ else type(self)
        return _again, (kind, str(self), facts)


def _again(kind: type[Error], message: str, facts: dict) -> Error:
    return kind(message, **facts)


class BadUrl(Error, ValueError):
    """The URL cannot be meant as it stands."""

    _errno = _errno.EINVAL


class BadOption(Error, ValueError):
    """An option or an argument makes no sense for this source."""

    _errno = _errno.EINVAL


class NotFound(Error, FileNotFoundError):
    """There is no such file, device or path on the server."""

    _errno = _errno.ENOENT


class Unauthorized(Error, PermissionError):
    """The server wants other credentials, or the file other rights."""

    _errno = _errno.EACCES


class Unreachable(Error, ConnectionError):
    """No connection: unknown host, reset; or it was lost."""

    _errno = _errno.EHOSTUNREACH


class Refused(Unreachable, ConnectionRefusedError):
    """Nobody listens at that port."""

    _errno = _errno.ECONNREFUSED


class Timeout(Error, TimeoutError):
    """A deadline passed; `phase` tells in what."""

    _errno = _errno.ETIMEDOUT


class ServerError(Error):
    """The server answered with an error of its own; `status`."""


class NotVideo(Error):
    """Something answered, but not with video."""


class Unsupported(Error, NotImplementedError):
    """A protocol, container, codec or operation that is not there."""

    _errno = _errno.EOPNOTSUPP


class Broken(Error):
    """The bytes make no sense."""


class Ended(Error, EOFError):
    """There are no more frames."""


class CaptureClosed(Error, ValueError):
    """The capture was closed, here or by another thread."""

    _errno = _errno.EBADF
