"""Every example is found, listed and run by one door; what its options and errors look like."""

import importlib
import inspect
import subprocess
import sys

import pytest

import fastnn as fnn
from fastnn.examples import listed, show

NAMES = sorted(listed())


def test_the_command_lists_every_example_with_a_line():
    command = [sys.executable, "-W", "error", "-m", "fastnn.examples"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    for name, line in listed().items():
        assert any(row.split()[:1] == [name] and row.endswith(line) for row in lines), name
    assert {"perceptron", "xor", "backpropagation", "approximation", "depth", "speech"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_run_with_a_picture_and_a_line_that_says_what_it_shows(name):
    module = importlib.import_module(f"fastnn.examples.{name}")
    parameters = inspect.signature(module.run).parameters
    assert parameters["out"].default is None
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters.values())
    assert 20 < len(listed()[name]) < 160 and listed()[name].endswith((".", "?"))
    explained = inspect.getdoc(module.run)
    assert explained, "run has a docstring"


def called(capsys, run, *arguments, report=lambda numbers: [f"got {numbers}"]):
    """(exit code, stdout, stderr) of a command made of `run`."""
    with pytest.raises(SystemExit) as ended:
        show.main(run, report, list(arguments))
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def sample(
    *,
    seed: int = 0,
    rate: float = 0.5,
    widths: tuple[int, ...] = (1, 2),
    slow: bool = False,
    out: str | None = None,
):
    """Say what came in.

    seed  of everything
    """
    return seed, rate, widths, slow


def test_keywords_of_run_are_options_of_the_command(capsys):
    code, out, _ = called(capsys, sample, "--seed", "3", "--rate", "0.25", "--widths", "4,8,16", "--slow")
    assert code == 0 and out == "got (3, 0.25, (4, 8, 16), True)\n"
    assert called(capsys, sample)[1] == "got (0, 0.5, (1, 2), False)\n"


def test_help_explains_the_options_by_the_docstring(capsys):
    code, out, _ = called(capsys, sample, "--help")
    assert code == 0
    for words in (
        "--seed INTEGER",
        "of everything",
        "--widths NUMBERS",
        "--out TEXT",
        "write a picture here",
    ):
        assert words in out


@pytest.mark.parametrize(
    "arguments", [("--sed", "1"), ("--seed", "x"), ("--widths", "1,x"), ("more",)], ids=" ".join
)
def test_wrong_options_are_refused_in_a_sentence(capsys, arguments):
    code, _, err = called(capsys, sample, *arguments)
    assert code == 2 and "Error" in err and "Traceback" not in err


def test_errors_of_the_library_are_sentences(capsys):
    def fails(*, out: str | None = None):
        raise fnn.DataError("no rows", hint="more rows")

    code, out, err = called(capsys, fails)
    assert (code, out) == (2, "") and err == "error: no rows\n  try       more rows\n"


def test_a_picture_that_cannot_be_written_is_refused_before_the_work(capsys):
    pytest.importorskip("matplotlib")

    def works(*, out: str | None = None):
        raise AssertionError("the work began")

    code, _, err = called(capsys, works, "--out", "picture.docx")
    assert code == 2 and "no picture can be written to 'picture.docx'" in err


def test_the_command_says_where_the_picture_is(capsys):
    assert called(capsys, sample, "--out", "a.png")[1].splitlines()[-1] == "picture   a.png"
