"""`headwater.discover`: what is found, what is not, and how it ends."""

import json
import socket
import subprocess
import sys

import pytest
from conftest import answer

import headwater


def test_the_list_of_another_relay_becomes_urls(server):
    body = json.dumps({"front door": {"producers": [], "consumers": None}}).encode()
    url = server.url("/api/streams", answer(200, "application/json", body)).removesuffix("/api/streams")
    (found,) = headwater.discover(url, timeout=10)
    assert isinstance(found, headwater.Found)
    assert (found.kind, found.url, found.streams) == ("go2rtc", "rtsp://127.0.0.1:8554/front%20door", ())
    assert repr(found).startswith("Found(kind='go2rtc'")


def test_nobody_there_is_an_empty_list_and_told_in_the_log(caplog):
    assert headwater.discover("http://127.0.0.1:1", "http://127.0.0.1:2", timeout=5) == []
    told = [record.getMessage() for record in caplog.records if record.name.startswith("headwater")]
    assert any("127.0.0.1:1" in line and "refused" in line for line in told), told


def test_arguments_that_make_no_sense_are_refused():
    for wrong in (dict(user="me"), dict(timeout=-1), dict(timeout=float("nan"))):
        with pytest.raises(ValueError):
            headwater.discover("127.0.0.1", **wrong)
    with pytest.raises(ValueError):
        headwater.discover("127.0.0.1", interface="eth0")
    with pytest.raises(ValueError, match="no interface 'eth-none'; expected one of .*lo"):
        headwater.discover(interface="eth-none")
    with pytest.raises(ValueError, match="not a network"):
        headwater.discover("10.0.0.0/24")
    with pytest.raises(TypeError):
        headwater.discover(7)


def test_ctrl_c_ends_a_search():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as camera:
        camera.bind(("127.0.0.1", 0))
        program = f"import headwater; headwater.discover('127.0.0.1:{camera.getsockname()[1]}', timeout=600)"
        with subprocess.Popen([sys.executable, "-P", "-c", program], stderr=subprocess.PIPE, text=True) as searching:
            camera.settimeout(60)
            camera.recv(65536)
            searching.send_signal(2)
            assert "KeyboardInterrupt" in searching.communicate(timeout=60)[1]
