"""`replay:FILE` in `headwater.open`, of a capture that is written after docs/CAPTURE.md alone."""

import struct
import subprocess

import headwater
import pytest

WIDTH, HEIGHT, PICTURES = 64, 48, 12


def record(at_us, kind, payload, sender=0, line=0):
    return struct.pack("<IBBIQ", len(payload), kind, sender, line, at_us) + payload


def jpegs():
    """Pictures, each brighter than the one before."""
    raw = b"".join(bytes([20 * number]) * (WIDTH * HEIGHT) for number in range(PICTURES))
    arguments = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-i", "-", "-c:v", "mjpeg"]
    film = subprocess.run(
        ["ffmpeg", "-v", "error", *arguments, "-f", "mjpeg", "-"], input=raw, capture_output=True, check=True
    ).stdout
    return [b"\xff\xd8" + part for part in film.split(b"\xff\xd8")[1:]]


@pytest.fixture
def capture(tmp_path):
    """A camera that sends a picture every 40 ms and hangs up."""
    shots = jpegs()
    assert len(shots) == PICTURES
    there, here = b"192.0.2.7:80", b"192.0.2.1:5000"
    records = [
        record(0, 1, b"url: http://192.0.2.7/video\nversion: 0\nbegan_unix_us: 1700000000000000\ntransport: auto"),
        record(10, 2, b""),
        record(15, 4, b"192.0.2.7\n" + there),
        record(20, 6, b"192.0.2.7:80", 1, 1),
        record(30, 7, there + b"\n" + here, 0, 1),
        record(40, 10, b"GET /video HTTP/1.1\r\nHost: 192.0.2.7\r\n\r\n", 1, 1),
        record(50, 10, b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n", 0, 1),
    ]
    for number, shot in enumerate(shots):
        head = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(shot)
        records.append(record(100 + 40_000 * number, 10, head + shot + b"\r\n", 0, 1))
    records += [record(600_000, 11, b"", 0, 1), record(600_010, 3, b"\n0\n\n")]
    path = tmp_path / "cam.hwc"
    path.write_bytes(b"HWCAPTURE\x0d\x0a\x1a\x0a\x01\0\0" + b"".join(records))
    return path


def test_a_capture_is_opened_as_a_camera_is(capture):
    seen = []
    with headwater.open(f"replay:{capture}") as frames:
        for frame in frames:
            assert frame.bgr.shape == (HEIGHT, WIDTH, 3)
            seen.append(round(float(frame.gray.mean()) / 20))
    # A live source gives the newest picture: some may be left out, and none comes twice.
    assert len(seen) >= 3 and seen == sorted(set(seen)), seen


def test_what_is_no_capture_is_told(tmp_path):
    path = tmp_path / "diary.hwc"
    path.write_text("my diary")
    with pytest.raises(OSError, match="this is no capture"):
        headwater.open(f"replay:{path}", timeout=10)
