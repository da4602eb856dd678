"""Cameras and servers as they are: every form of MJPEG, every failure, one line each."""

import base64
import contextlib
import os
import pathlib
import socket
import sys
import threading
import time

import numpy as np
import pytest

import headwater

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from cameras import FORMS, LOGIN, STALL, Cameras, picture, pictures, say  # noqa: E402

JPEG = picture("420")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n"
PART = b"--b\r\nContent-Type: image/jpeg\r\n\r\n" + JPEG + b"\r\n"


@pytest.fixture(scope="module")
def cameras():
    with Cameras() as running:
        yield running


@pytest.mark.parametrize("number", range(len(FORMS)), ids=[form["name"].replace(" ", "-") for form in FORMS])
def test_every_picture_of_every_form_is_given(cameras, number):
    url = cameras.url(f"/form/{number}", user=LOGIN)
    with headwater.open(url, latest=False, reconnect=False, format="jpeg") as capture:
        given = [bytes(np.asarray(frame)) for frame in capture]
    sent = pictures(FORMS[number])
    assert len(given) == len(sent) == 40
    # Standard Huffman tables are put in where there are none.
    assert given == sent or "Huffman" in FORMS[number]["name"]


@pytest.mark.parametrize("number", range(len(FORMS)), ids=[form["name"].replace(" ", "-") for form in FORMS])
def test_the_face_of_cv2_gives_every_picture_too(cameras, number):
    capture = headwater.VideoCapture(cameras.url(f"/form/{number}", user=LOGIN), latest=False, reconnect=False)
    assert capture.isOpened(), capture.error
    shapes = []
    while True:
        good, frame = capture.read()
        if not good:
            break
        shapes.append(frame.shape)
    capture.release()
    sizes = {"small": (24, 32, 3)}
    names = FORMS[number]["pictures"]
    assert shapes == [sizes.get(names[n % len(names)], (48, 64, 3)) for n in range(40)]


@contextlib.contextmanager
def listener(*answers):
    """A server that answers what comes on its connections with these in turn, the last one for
    ever; None is silence."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    stream, _ = server.accept()
                    threading.Thread(target=talk, args=(stream,), daemon=True).start()

        def talk(stream):
            left = list(answers)
            with contextlib.suppress(OSError), stream:
                while request := stream.recv(4096):
                    reply = left.pop(0) if len(left) > 1 else left[0]
                    if reply is None:
                        over.wait(60)
                        return
                    sequence = next((line for line in request.split(b"\r\n") if line.startswith(b"CSeq")), b"CSeq: 1")
                    stream.sendall(reply.replace(b"CSEQ", sequence))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def switched_off():
    """A port whose machine does not answer: nobody accepts, and the queue is full."""
    with contextlib.ExitStack() as kept:
        server = kept.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = kept.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(server.getsockname())
        yield server.getsockname()[1]


def failure(url, **options):
    """The one line that opening `url` fails with."""
    began = time.monotonic()
    with pytest.raises(headwater.Error) as raised:
        headwater.open(url, **options).close()
    error = raised.value
    assert "\n" not in str(error) and "p@ss" not in str(error) and "secret" not in str(error)
    if isinstance(error, TimeoutError):
        assert time.monotonic() - began >= options["timeout"] and error.elapsed >= options["timeout"]
    return error


SDP = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n"
RTSP_PLAYS = [
    b"RTSP/1.0 200 OK\r\nCSEQ\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(SDP) + SDP,
    b"RTSP/1.0 200 OK\r\nCSEQ\r\nSession: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nCSEQ\r\nSession: 1\r\n\r\n",
    None,
]


@pytest.mark.parametrize(
    ("scheme", "server", "phase"),
    [
        ("http", switched_off, "connect"),
        ("rtsp", switched_off, "connect"),
        ("http", lambda: listener(None), "handshake"),
        ("https", lambda: listener(None), "tls"),
        ("rtsp", lambda: listener(None), "handshake"),
        ("http", lambda: listener(HEAD, None), "first frame"),
        ("rtsp", lambda: listener(*RTSP_PLAYS), "first frame"),
    ],
)
def test_a_server_that_says_nothing_ends_at_the_time_out(scheme, server, phase):
    with server() as port:
        error = failure(f"{scheme}://127.0.0.1:{port}/video", timeout=1.0)
    assert type(error) is headwater.Timeout and error.phase == phase, error
    assert error.hint == "is the camera busy, or the time-out too short?"
    assert str(error).startswith(f"{scheme}://127.0.0.1:{port}/video: no picture in time, while ")


@pytest.mark.parametrize("last", [b"", PART[:900]], ids=["between-pictures", "within-a-picture"])
def test_a_stall_in_mid_stream_loses_nothing_and_gives_no_half_picture(cameras, last):
    url = cameras.url("/stall", HEAD, PART * 20, last, STALL)
    with headwater.open(url, latest=False, reconnect=False, format="jpeg", timeout=(20, 0.5)) as capture:
        for _ in range(20):
            assert bytes(np.asarray(capture.read())) == JPEG
        with pytest.raises(headwater.Timeout) as raised:
            capture.read()
    assert raised.value.phase == "streaming"


PAGE = b"<html><head><title>Web Login</title></head><body>hello</body></html>"
GZIP = ["Content-Type: image/jpeg", "Content-Encoding: gzip"]
ANSWERS = [
    ("401", say("401 Unauthorized", 'WWW-Authenticate: Basic realm="x"'), "Unauthorized", "answered 401 Unauthorized"),
    ("403", say("403 Forbidden"), "Unauthorized", "answered 403 Forbidden"),
    ("404", say("404 Not Found"), "NotFound", "answered 404 Not Found"),
    ("410", say("410 Gone"), "NotFound", "answered 410 Gone"),
    ("503", say("503 Service Unavailable"), "ServerError", "answered 503 Service Unavailable"),
    ("page", say("200 OK", "Content-Type: text/html", body=PAGE), "NotVideo", 'an HTML page, "Web Login"'),
    ("text", say("200 OK", body=b"too many users\r\n"), "NotVideo", 'a text, "too many users"'),
    ("nothing", say("200 OK"), "Unreachable", "sent nothing"),
    ("hang-up", [b""], "Unreachable", "the server closed the connection without an answer"),
    ("gzip", say("200 OK", *GZIP, body=b"\x1f\x8b"), "Unsupported", "in the coding gzip"),
    ("file", say("302 Found", "Location: file:///etc/passwd"), "ServerError", "redirects to what is no address"),
    ("circle", say("302 Found", "Location: /circle"), "ServerError", "redirects in a circle"),
    ("noise", [b"HTTP/1.1 oops\r\n\r\n"], "Broken", "expected an HTTP status line"),
    ("head", [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300], "Broken", "does not end within 256"),
]


@pytest.mark.parametrize(("name", "pieces", "kind", "words"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_an_answer_that_is_no_video_is_told_in_one_line(cameras, name, pieces, kind, words, capfd):
    error = failure(cameras.url(f"/{name}", *pieces), reconnect=False)
    assert type(error) is getattr(headwater, kind), (type(error), error)
    assert words in str(error) and f"127.0.0.1:{cameras.port}" in str(error), error
    assert not name.isdigit() or error.status == int(name)
    assert error.elapsed > 0
    assert capfd.readouterr() == ("", "")


RTSP = b"RTSP/1.0 %b\r\nCSEQ\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (b'401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"', "Unauthorized", "401"),
        (b"404 Stream Not Found", "NotFound", "404"),
        (b"503 Service Unavailable", "ServerError", "503"),
    ],
)
def test_an_rtsp_server_that_refuses_is_told_in_one_line(status, kind, words, capfd):
    with listener(RTSP % status) as port:
        error = failure(f"rtsp://127.0.0.1:{port}/live", reconnect=False)
    assert type(error) is getattr(headwater, kind), (type(error), error)
    assert words in str(error) and error.status == int(words)
    assert capfd.readouterr() == ("", "")


def test_what_is_not_there_is_told_in_one_line(tmp_path, clips, capfd):
    cut, empty, codec = tmp_path / "cut.mp4", tmp_path / "empty.mp4", tmp_path / "codec.avi"
    whole = pathlib.Path(clips("h264.mp4")).read_bytes()
    cut.write_bytes(whole[: len(whole) // 3])
    empty.write_bytes(b"")
    codec.write_bytes(pathlib.Path(clips("mjpeg.avi")).read_bytes().replace(b"MJPG", b"ZQZQ"))
    for source, kind, words in [
        ("/no/such/file.mp4", "NotFound", "not found"),
        (tmp_path, "NotVideo", "is a directory; name one of the files in it"),
        (empty, "NotVideo", "empty.mp4"),
        (cut, "NotVideo", "cut.mp4"),
        (codec, "Unsupported", "in a codec that FFmpeg does not know"),
        ("127.0.0.1:8090/cam.mjpeg", "NotFound", "its protocol is missing in front"),
        ("nope://x", "BadUrl", "there is no protocol nope"),
        ("htp://cam/x", "BadUrl", "did you mean http://?"),
        ("http://", "BadUrl", "no host"),
        ("http://cam:port/x", "BadUrl", "a port is a number"),
        ("http://127.0.0.1:1/x", "Refused", "connection refused"),
        ("rtsp://127.0.0.1:1/x", "Refused", "connection refused"),
        ("https://127.0.0.1:1/x", "Refused", "connection refused"),
        ("mmsh://127.0.0.1:1/x", "Refused", "connection refused"),
        ("http://no-such-camera.invalid/x", "Unreachable", "no-such-camera.invalid"),
    ]:
        error = failure(source, reconnect=False)
        assert type(error) is getattr(headwater, kind), (source, type(error), error)
        assert words in str(error), error
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("password", ["p@ss", "w/rd", "a#1", "wh?t", "a:b", "100%", "p@ss/w:rd#1?%"])
def test_a_password_may_be_typed_as_it_is(cameras, password):
    asked = []

    def page(request, path):
        asked.append(request)
        if "Authorization" not in request:
            return say("401 Unauthorized", 'WWW-Authenticate: Basic realm="x"', "Content-Length: 0")
        return [HEAD, PART * 2]

    cameras.pages["/typed"] = page
    for url, options in [
        (cameras.url("/typed", user=f"me:{password}@"), {}),
        (cameras.url("/typed"), {"user": "me", "password": password}),
    ]:
        asked.clear()
        headwater.open(url, **options).close()
        sent = asked[1].split("Authorization: Basic ")[1].split("\r\n")[0]
        assert base64.b64decode(sent).decode() == f"me:{password}"


def test_headers_and_agent_are_sent_and_bad_ones_refused(cameras):
    asked = []
    cameras.pages["/own"] = lambda request, path: asked.append(request) or [HEAD, PART * 2]
    headwater.open(cameras.url("/own"), headers={"X-Key": "1", "Accept": "image/jpeg"}, user_agent="me").close()
    lines = asked[0].split("\r\n")
    assert "X-Key: 1" in lines and "User-Agent: me" in lines
    assert [line for line in lines if line.startswith("Accept:")] == ["Accept: image/jpeg"]
    for headers in [{"X Key": "1"}, {"X": "1\r\nY: 2"}, {"Content-Length": "1"}, {"X": "y" * 10_000}]:
        with pytest.raises(ValueError):
            headwater.open(cameras.url("/own"), headers=headers)


def test_a_proxy_is_spoken_through(cameras):
    with listener(HEAD + PART * 3) as port:
        url = "http://camera.invalid/video"
        with headwater.open(url, proxy=f"http://127.0.0.1:{port}", reconnect=False) as capture:
            assert capture.read().shape == (48, 64, 3)
    error = failure("https://camera.invalid/", proxy=cameras.url("/x")[:-2], reconnect=False)
    assert "the proxy http://127.0.0.1" in str(error) and "answered 404 when asked for camera.invalid:443" in str(error)


def test_a_size_that_changes_is_given_as_it_comes(cameras):
    small = b"--b\r\n\r\n" + picture("small") + b"\r\n"
    url = cameras.url("/sizes", HEAD, PART * 3 + small * 3 + PART * 3)
    with headwater.open(url, latest=False, reconnect=False) as capture:
        shapes = [frame.shape for frame in capture]
    assert shapes == [(48, 64, 3)] * 3 + [(24, 32, 3)] * 3 + [(48, 64, 3)] * 3


def test_the_cameras_clock_is_told(cameras):
    stamped = b"--b\r\nX-Timestamp: 1700000000.250000\r\n\r\n" + JPEG + b"\r\n"
    with headwater.open(cameras.url("/clock", HEAD, stamped * 2), reconnect=False) as capture:
        assert capture.read().captured.timestamp() == 1700000000.25


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory):
    """The port of a camera that has signed its certificate itself, the file of that, and its SHA-256."""
    import hashlib
    import shutil
    import ssl
    import subprocess

    assert shutil.which("openssl"), "openssl is missing"
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=camera".split()
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    sha256 = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(server):
        with contextlib.suppress(OSError):
            while True:
                stream, _ = server.accept()
                threading.Thread(target=talk, args=(stream,), daemon=True).start()

    def talk(stream):
        with contextlib.suppress(OSError), stream, context.wrap_socket(stream, server_side=True) as wrapped:
            wrapped.recv(4096)
            wrapped.sendall(HEAD + PART * 5)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1], certificate, sha256
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def test_a_camera_that_signed_itself_is_refused_until_it_is_trusted(over_tls):
    port, certificate, sha256 = over_tls
    url = f"https://127.0.0.1:{port}/video"
    error = failure(url, reconnect=False)
    assert type(error) is headwater.Unreachable and error.phase == "tls", error
    assert "the server has signed its certificate itself" in str(error) and error.hint.endswith(f'tls_verify="sha256:{sha256}"')
    for trust in [f"sha256:{sha256}", certificate, str(certificate), False]:
        with headwater.open(url, tls_verify=trust, latest=False, reconnect=False) as capture:
            assert sum(1 for _ in capture) == 5
            assert ("not checked" in capture.info.protocol) is (trust is False)
    error = failure(url, tls_verify="sha256:" + "0" * 64, reconnect=False)
    assert "has another SHA-256 than 0000" in str(error)
    error = failure(f"http://127.0.0.1:{port}/video", reconnect=False)
    # This server is as likely to reset the connection as to say that it speaks TLS.
    assert isinstance(error, ConnectionError)
    with pytest.raises(ValueError, match="tls_verify"):
        headwater.open(url, tls_verify="sha256:abc")


def memory_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def files():
    return len(os.listdir("/proc/self/fd"))


#: How often sources are opened; a fifth as often one is lost and comes back.
CYCLES = int(os.environ.get("HEADWATER_CYCLES", "50"))


def test_opening_and_losing_sources_leaves_nothing_behind(cameras):
    """The short form of scripts/soak; HEADWATER_CYCLES=1000 makes it long."""
    again = cameras.url("/again", HEAD, PART * 3, PART[:700])
    once = cameras.url("/once", HEAD, PART)
    refused = cameras.url("/refused", *say("404 Not Found", "Content-Length: 0"))

    def cycles(count):
        for _ in range(count):
            headwater.open(once, reconnect=False).close()
            with pytest.raises(headwater.NotFound):
                headwater.open(refused, reconnect=False)
        with headwater.open(again, reconnect=True, timeout=20) as capture:
            while capture.stats.reconnects < count // 5:
                capture.read()

    cycles(20)
    time.sleep(0.2)
    before = memory_kib(), files()
    cycles(CYCLES)
    deadline = time.monotonic() + 10
    while files() > before[1] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert files() <= before[1]
    assert memory_kib() - before[0] < 8 << 10
