"""The programs that docs/PYTHON.md and README.md show, run as they stand."""

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import headwater

ROOT = Path(__file__).parents[2]

#: What stands in for cameras that are nobody's: whatever is opened is a moving picture with an end.
BEFORE = """
import headwater, sys
_open, _capture = headwater.open, headwater.VideoCapture
def _source(source):
    return "pattern:?size=160x64&fps=50" if "://" in str(source) else source
def _opened(source, **options):
    options.pop("user", None), options.pop("password", None)
    capture = _open(_source(source), **options)
    read, left = capture.read, [12]
    class Short(type(capture)):
        def __next__(self):
            left[0] -= 1
            if left[0] < 0:
                raise StopIteration
            return super().__next__()
        async def __anext__(self):
            left[0] -= 1
            if left[0] < 0:
                raise StopAsyncIteration
            return await super().__anext__()
    capture.__class__ = Short
    return capture
async def _aopened(source, **options):
    return _opened(source, **options)
headwater.open, headwater.aopen = _opened, _aopened
headwater.VideoCapture.open = (lambda own: lambda self, source, *a, **k: own(self, _source(source), *a, **k))(headwater.VideoCapture.open)
url = "rtsp://camera/stream"
cameras = [_open("pattern:?size=160x64") for _ in range(2)]
_wait, _left = headwater.wait_any, [3]
def _wait_any(captures, timeout=None):
    _left[0] -= 1
    return _wait(captures, timeout) if _left[0] >= 0 else []
headwater.wait_any = _wait_any
headwater.show = lambda source, **options: None
def detect(pixels):
    assert pixels.ndim == 3
"""


def snippets():
    for name in ("docs/PYTHON.md", "README.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for found in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
            # Others test those of a window (test_tk) and of OpenCV at a relay.
            if "tkinter" not in found[1] and "localhost:8090" not in found[1] and "-> Capture" not in found[1]:
                yield pytest.param(found[1], id=f"{name}:{text.count(chr(10), 0, found.start()) + 1}")


@pytest.mark.parametrize("snippet", list(snippets()))
def test_a_program_of_the_documentation_runs(snippet, clips, tmp_path):
    shutil.copy(clips("wmv2.wmv"), tmp_path / "clip.wmv")
    program = "import asyncio\n" + BEFORE
    if re.search(r"^(async |await )", snippet, re.M):
        body = "".join(f"    {line}\n" for line in snippet.splitlines())
        program += f"async def main():\n{body}\nasyncio.run(main())\n"
    else:
        program += snippet
    command = [sys.executable, "-P", "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_there_are_programs_in_both():
    names = [param.id.partition(":")[0] for param in snippets()]
    assert names.count("docs/PYTHON.md") >= 4 and names.count("README.md") >= 1


def test_the_arguments_of_open_are_those_of_the_documentation():
    text = (ROOT / "docs/PYTHON.md").read_text(encoding="utf-8")
    shown = re.search(r"^headwater\.open\((.*?)\) -> Capture", text, re.M | re.S)[1]
    namespace = {}
    exec(f"def shown({shown}): pass", namespace)
    told = [(p.name, p.kind, p.default) for p in inspect.signature(namespace["shown"]).parameters.values()]
    real = [(p.name, p.kind, p.default) for p in inspect.signature(headwater.open).parameters.values()]
    assert told == real
