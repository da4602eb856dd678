"""What the documentation shows is what happens."""

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FRAMES

MODULES = ["headwater", "headwater._capture", "headwater._cv2"]


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


def test_the_stubs_name_what_the_module_has():
    import ast

    from headwater import _headwater

    tree = ast.parse(Path(_headwater.__file__).with_name("_headwater.pyi").read_text())
    public = lambda names: {name for name in names if not name.startswith("_") or name in ("_repr_jpeg_",)}
    stubs = {node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    assert public(stubs) == public(vars(_headwater))
    for name, node in stubs.items():
        if isinstance(node, ast.ClassDef):
            members = {m.name if isinstance(m, ast.FunctionDef) else m.target.id for m in node.body if hasattr(m, "name") or hasattr(m, "target")}
            assert public(members) == public(vars(getattr(_headwater, name))), name
