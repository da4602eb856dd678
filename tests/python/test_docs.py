"""What the documentation shows is what happens."""

import doctest
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FRAMES

import headwater

MODULES = ["headwater", "headwater._capture", "headwater._cv2", "headwater._discover", "headwater._reconnect", "headwater._sources"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0 and result.failed == 0


def example(name, *arguments):
    path = Path(__file__).parents[2] / "examples" / name
    run = subprocess.run([sys.executable, path, *arguments], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_the_example_of_five_lines(clips):
    lines = example("frames.py", clips("mpeg4.avi"))
    assert len(lines) == FRAMES and lines[1].startswith("1 0.040 s (180, 320, 3) mean")


def test_the_example_of_an_event_loop(clips):
    lines = example("many_cameras.py", "--frames", "3", "pattern:", clips("mpeg4.avi"), "http://127.0.0.1:1/x")
    assert sum(line.startswith("pattern:") for line in lines) == 3
    assert sum("mpeg4.avi: frame" in line for line in lines) == 3
    assert sum("connection refused" in line for line in lines) == 1


@pytest.mark.parametrize("check", [["mypy.stubtest", "--ignore-disjoint-bases", "headwater._headwater"], ["mypy", "-p", "headwater"]])
def test_types_are_those_of_the_module(check):
    folder = Path(headwater.__file__).parents[1]
    environment = {**os.environ, "MYPYPATH": str(folder), "MYPY_CACHE_DIR": str(folder.parent / "mypy")}
    run = subprocess.run([sys.executable, "-m", *check], capture_output=True, text=True, env=environment, cwd=folder)
    assert run.returncode == 0, run.stdout + run.stderr
