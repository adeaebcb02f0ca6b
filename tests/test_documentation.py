"""Every code block of the READMEs and every example in a docstring is executed."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import fastnn

ROOT = Path(__file__).parent.parent
GUIDES = ["README.md", "fastnn/README.md", "benchmarks/README.md", "fastnn/datasets/README.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(guide: str, *languages: str) -> list[str]:
    path = ROOT / guide
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [code for language, code in BLOCK.findall(text) if language in languages]


def modules() -> list[str]:
    found = pkgutil.walk_packages(fastnn.__path__, "fastnn.")
    plugins = importlib.import_module("fastnn.plugins")
    names = [m.name for m in found] + [
        m.name for m in pkgutil.iter_modules(plugins.__path__, "fastnn.plugins.")
    ]
    return sorted({name for name in names if not name.endswith("__main__") and ".cuda" not in name})


@pytest.mark.parametrize("guide", GUIDES)
def test_every_block_of_a_guide_says_its_language(guide: str) -> None:
    text = (ROOT / guide).read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w*)$", text, re.MULTILINE)
    assert len(fences) % 2 == 0
    assert all(fences[::2]), f"{guide} has a code block without a language, which nothing would run"
    assert set(fences[::2]) <= {"python", "bash", "text"}


@pytest.mark.parametrize("guide", GUIDES)
def test_python_blocks_run_in_order(guide: str, tmp_path: Path) -> None:
    """As one script: plugins are compiled from their source, which must lie in a file."""
    script = tmp_path / "guide.py"
    script.write_text("\n\n".join(blocks(guide, "python")), encoding="utf-8")
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{guide}\n{done.stdout}\n{done.stderr}"


def test_commands_of_the_readme_run(tmp_path: Path) -> None:
    """Those that install are run by continuous integration in an environment of its own."""
    executable = shutil.which("fastnn", path=os.path.dirname(sys.executable)) or shutil.which("fastnn")
    assert executable is not None, "the command fastnn is not installed"
    ran = 0
    for block in blocks("README.md", "bash"):
        for line in block.splitlines():
            command = line.split("&&")[-1].strip()
            if command.startswith("fastnn "):
                words = [executable, *command.split()[1:]]
                done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
                ran += 1
    assert ran >= 5
    assert (tmp_path / "digits.safetensors").exists()
    assert (tmp_path / "digits.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
