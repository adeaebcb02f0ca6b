"""What a fit shows: a bar where it can be redrawn, few plain lines elsewhere, nothing when silent; and its cost."""

import io
import re

import pytest
from rich.console import Console

from fastnn import progress
from fastnn.compile import listeners
from fastnn.progress import CompileMessages, Progress, epoch_line


class Clock:
    """Time that passes only when told; drawing takes 1 ms."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "clock", clock)
    return clock


def console(terminal):
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=100, color_system=None, force_jupyter=False
    )


def row(epoch, **more):
    about = {"eta": 0.1, "seconds": 0.0123, "samples_per_second": 1e6}
    return {
        "epoch": epoch,
        "loss": 1 / epoch,
        "validation_loss": 2 / epoch,
        "accuracy": 0.975,
        **about,
        **more,
    }


def run(verbose, epochs, screen, clock, steps=10, stop=None):
    shown = Progress(verbose, epochs, steps, screen)
    shown.start()
    for epoch in range(epochs):
        for step in range(steps):
            clock.now += 0.05
            shown.update(epoch, step + 1, 0.5)
        shown.epoch_end(row(epoch + 1))
    shown.stop(stop)
    return screen.file.getvalue()


@pytest.mark.parametrize("epochs", [1, 3, 20, 21, 39, 40, 1000])
def test_without_a_terminal_there_are_few_plain_lines(epochs, clock):
    text = run(True, epochs, console(False), clock)
    lines = text.splitlines()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert min(epochs, 10) <= len(lines) <= progress.LINES
    assert lines[-1] == (
        f"{epochs} epoch{'s' * (epochs > 1)} in {progress._duration(epochs * 0.5)}: loss {1 / epochs:#.4g}, "
        f"validation loss {2 / epochs:#.4g}, accuracy 97.5 %"
    )
    if epochs == 3:
        assert lines[0] == "epoch 1/3  loss 1.000  validation loss 2.000  accuracy 97.5 %  12.3 ms"


def test_verbose_2_has_a_line_for_every_epoch(clock):
    assert len(run(2, 50, console(False), clock).splitlines()) == 51
    assert len(re.findall(r"epoch +\d+/50  loss", run(2, 50, console(True), clock))) == 50


@pytest.mark.parametrize("verbose", [False, 0])
@pytest.mark.parametrize("terminal", [False, True])
def test_silent_is_silent(verbose, terminal, clock):
    assert run(verbose, 3, console(terminal), clock) == "" and not listeners


def test_on_a_terminal_the_bar_shows_epoch_share_and_losses_and_goes_away(clock):
    text = run(True, 4, console(True), clock)
    assert "epoch 1/4" in text and "epoch 4/4" in text and re.search(r"[4-6]\d%", text)
    assert "loss 0.5000, validation 1.000" in text
    last = text.rsplit("\x1b[2K", 1)[1]  # after the bar was erased
    assert last == "4 epochs in 2 s: loss 0.2500, validation loss 0.5000, accuracy 97.5 %\n"


def test_a_run_that_ended_early_says_why(clock):
    screen = console(False)
    shown = Progress(True, 30, 10, screen)
    shown.start()
    shown.epoch_end(row(1))
    shown.stop("interrupted")
    assert "1 epoch in 0 ms, stopped at epoch 1 of 30 (interrupted): loss" in screen.file.getvalue()
    shown = Progress(True, 30, 10, screen)
    shown.start()
    shown.stop("interrupted")
    assert screen.file.getvalue().endswith("stopped in the first epoch (interrupted)\n")


def test_a_resumed_run_begins_where_it_was(clock):
    screen = console(True)
    shown = Progress(True, 4, 10, screen)
    shown.start(epoch=2)
    shown.stop()
    assert "epoch 2/4" in screen.file.getvalue() and "50%" in screen.file.getvalue()


def test_messages_are_printed_as_they_are(clock):
    screen = console(False)
    shown = Progress(True, 1, 1, screen)
    shown.start()
    shown.message("[bold]3[/bold] :smile: " + "long " * 40)
    shown.stop()
    assert screen.file.getvalue() == "[bold]3[/bold] :smile: " + "long " * 40 + "\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_compiling_is_announced_and_summed_up(terminal, clock):
    screen = console(terminal)
    shown = Progress(True, 1, 10, screen)
    shown.start()
    assert len(listeners) == 1
    for name in ("affine_float32", "adam_float32"):
        listeners[0](name, None)
        listeners[0](name, 1.25)
    clock.now += 9
    shown.update(0, 1, 0.5)
    shown.update(0, 2, 0.5)
    shown.epoch_end(row(1))
    shown.stop()
    text = screen.file.getvalue()
    assert text.count("compiled 2 kernels for this machine in 2.5 s (first use only)\n") == 1
    assert ("(first use only): 2, adam_float32" in text) == terminal
    assert ("compiling kernels for this machine (first use only) ..." in text) != terminal
    assert not listeners


def test_cached_kernels_are_not_mentioned():
    said = []
    with CompileMessages(said.append):
        pass
    assert said == [] and not listeners


def test_drawing_takes_less_than_a_hundredth_of_the_time(clock, monkeypatch):
    shown = Progress(True, 10, 100, console(True))
    shown.start()
    drawn = []

    def slow_drawing():
        drawn.append(clock.now)
        clock.now += 0.02

    monkeypatch.setattr(shown._bar, "refresh", slow_drawing)
    while clock.now < 60:
        clock.now += 0.05
        shown.update(0, 1, 0.5)
    assert 10 < len(drawn) and len(drawn) * 0.02 < 0.01 * clock.now
    shown.stop()


def test_drawing_is_quick_on_this_machine():
    """Ten drawings a second within one part in a hundred is 1 ms each; twice that on a busy machine."""
    shown = Progress(True, 10, 100, console(True))
    shown.start()
    times = []
    for step in range(50):
        begun = progress.clock()
        shown._draw(completed=step, epoch=1, note="loss 0.1234, validation 0.1234")
        times.append(progress.clock() - begun)
    shown.stop()
    assert sorted(times)[25] < 0.002


def test_a_notebook_without_widgets_gets_plain_lines(monkeypatch):
    import importlib.util

    class Notebook:
        is_jupyter = True

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not progress._is_live(Notebook())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "12.3 ms"), (0.5, "0.5 s"), (12.34, "12.3 s"), (125, "2 min 5 s"), (7265, "2 h 1 min")],
)
def test_durations_read_well(seconds, text):
    assert progress._duration(seconds) == text


def test_epoch_lines_leave_settings_out():
    assert epoch_line({"epoch": 7, "loss": 0.5, "eta": 1.0, "note": "x"}, 100) == "epoch   7/100  loss 0.5000"
