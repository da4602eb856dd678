"""What other libraries fail at, row by row: which test shows what this one does.

The rows are those of an account of peers: how long each waits for what says nothing, which of forty servers of MJPEG it
gets all pictures from, and what it says of each failure. A row that has no test, or one that is not there, fails here.
"""

import json
import struct
from pathlib import Path

import pytest

import headwater

HERE = Path(__file__).parent
FORMS = [form["name"] for form in json.loads((HERE.parent / "data/mjpeg_forms.json").read_text())["forms"]]

SILENT = "test_cameras.py::test_a_server_that_says_nothing_ends_at_the_time_out"
STALLS = "test_cameras.py::test_a_stall_in_mid_stream_loses_nothing_and_gives_no_half_picture"
ANSWERS = "test_cameras.py::test_an_answer_that_is_no_video_is_told_in_one_line"
RTSP = "test_cameras.py::test_an_rtsp_server_that_refuses_is_told_in_one_line"
NOTHING = "test_cameras.py::test_what_is_not_there_is_told_in_one_line"

#: How long it waits: the row, its test, and what of the test's source names the case.
WAITS = [
    ("HTTP, no answer to the first packet", SILENT, '("http", switched_off, "connect")'),
    ("RTSP, no answer to the first packet", SILENT, '("rtsp", switched_off, "connect")'),
    ("HTTP accepts and says nothing", SILENT, '("http", lambda: listener(None), "handshake")'),
    ("HTTP sends a head, then nothing", SILENT, '("http", lambda: listener(HEAD, None), "first frame")'),
    ("HTTP stalls after 20 pictures", STALLS, "between-pictures"),
    ("HTTP stalls within a picture", STALLS, "within-a-picture"),
    ("RTSP accepts and says nothing", SILENT, '("rtsp", lambda: listener(None), "handshake")'),
    ("RTSP plays and sends no media", SILENT, '("rtsp", lambda: listener(*RTSP_PLAYS), "first frame")'),
]

#: What it says.
TELLS = [
    ("file missing", NOTHING, '("/no/such/file.mp4", "NotFound"'),
    ("a directory", NOTHING, '(tmp_path, "NotVideo"'),
    ("an empty file, one cut short", NOTHING, '(cut, "NotVideo"'),
    ("mms:// where nobody is", "test_rows.py::test_where_nobody_is_each_way_of_mms_is_told", "mms://"),
    ("unknown scheme", NOTHING, '("nope://x", "BadUrl"'),
    ("refused", NOTHING, '("http://127.0.0.1:1/x", "Refused"'),
    ("host unknown", NOTHING, '("http://no-such-camera.invalid/x", "Unreachable"'),
    ("HTTP 401", ANSWERS, '"answered 401 Unauthorized"'),
    ("HTTP 403", ANSWERS, '"answered 403 Forbidden"'),
    ("HTTP 404", ANSWERS, '"answered 404 Not Found"'),
    ("HTTP 503", ANSWERS, '"answered 503 Service Unavailable"'),
    ("RTSP 401", RTSP, "401 Unauthorized"),
    ("RTSP 404", RTSP, "404 Stream Not Found"),
    ("HTML page", ANSWERS, "an HTML page"),
    ("codec unknown", NOTHING, "in a codec that FFmpeg does not know"),
    ("silent server", SILENT, "is the camera busy, or the time-out too short?"),
    ("exception mode", "test_cv2.py::test_exceptions_are_those_of_opencv_where_they_are_wanted", "cv2.error"),
    ("DRM", "test_rows.py::test_encrypted_windows_media_is_refused_by_name", "DRM"),
    ("password with signs in it", "test_cameras.py::test_a_password_may_be_typed_as_it_is", "p@ss/w:rd#1?%"),
    ("size changes", "test_cameras.py::test_a_size_that_changes_is_given_as_it_comes", "small"),
]


@pytest.mark.parametrize(("row", "test", "words"), WAITS + TELLS, ids=[row for row, _, _ in WAITS + TELLS])
def test_a_row_has_its_test(row, test, words):
    file, _, name = test.partition("::")
    source = (HERE / file).read_text(encoding="utf-8")
    assert f"def {name}(" in source, name
    assert words in source, words


#: Servers of MJPEG, by a word of the form's name; each goes through both faces in test_cameras.py.
SERVERS = [
    "all right",
    "redirect",
    "chunked",
    "quoted boundary",
    "boundary with dashes in the head",
    "no boundary parameter",
    "extra blank lines",
    "line feeds only",
    "octet-stream",
    "no type",
    "HTTP/1.0",
    "image/jpeg without end",
    "no length",
    "length 0",
    "another boundary",
    "no first boundary",
    "boundary without dashes",
    "blank line before the headers",
    "preamble",
    "part without headers",
    "image/jpg",
    "type with a parameter",
    "length too small",
    "length too large",
    "no head at all",
    "ICY",
    "Basic",
    "Digest",
    "EXIF thumbnail",
    "damaged pictures",
    "no Huffman tables",
    "progressive",
    "grey",
    "four zero bytes",
    "trickle",
]


def test_each_server_of_mjpeg_has_its_form():
    assert len(FORMS) == 41
    names = " | ".join(FORMS).lower()
    assert [word for word in SERVERS if word.lower() not in names] == []


def test_where_nobody_is_each_way_of_mms_is_told():
    with pytest.raises(ConnectionRefusedError) as raised:
        headwater.open("mms://127.0.0.1:1/cam2", reconnect=False, timeout=30)
    assert type(raised.value) is headwater.Refused and "connection refused" in str(raised.value)
    assert "\n" not in str(raised.value) and raised.value.hint


def test_encrypted_windows_media_is_refused_by_name(clips, tmp_path):
    with open(clips("wmv2.wmv"), "rb") as file:
        data = bytearray(file.read())
    # A Content Encryption Object (ASF specification 3.14) at the head of the header's objects.
    guid = bytes.fromhex("fbb31122 23bd d211 b4b7 00a0c955fc6e")
    fields = b"".join(struct.pack("<I", len(field)) + field for field in (b"secret", b"DRM\0", b"key\0", b"http://x/\0"))
    added = guid + struct.pack("<Q", 24 + len(fields)) + fields
    size, count = struct.unpack_from("<QI", data, 16)
    struct.pack_into("<QI", data, 16, size + len(added), count + 1)
    data[30:30] = added
    path = tmp_path / "drm.wmv"
    path.write_bytes(data)
    with pytest.raises(NotImplementedError, match="DRM") as raised:
        headwater.open(path)
    assert type(raised.value) is headwater.Unsupported and "\n" not in str(raised.value)
