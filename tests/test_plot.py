"""Pictures: drawn without pyplot, with a curve for every column, refused in a sentence when there is nothing to draw."""

import sys

import numpy as np
import pytest

from fastnn.errors import DataError, MissingExtraError, SettingError
from fastnn.history import History

plot = pytest.importorskip("fastnn.plot")
pytest.importorskip("matplotlib")


def rows(n, **columns):
    return History(
        {"epoch": i + 1, "loss": 1 / (i + 1), **{k: f(i) for k, f in columns.items()}} for i in range(n)
    )


def texts(figure):
    return {text.get_text() for axes in figure.axes for text in [*axes.texts, axes.title]} | {
        axes.get_title(loc="left") for axes in figure.axes
    }


@pytest.mark.parametrize("n", [1, 2, 40])
def test_a_curve_for_training_and_held_out_each_named_at_its_end(n):
    history = rows(
        n, validation_loss=lambda i: 2.0, accuracy=lambda i: i / 80, validation_accuracy=lambda i: 0.25
    )
    figure = plot.learning_curve(history)
    loss, accuracy = figure.axes
    assert {"training\n" + format(1 / n, ".3g"), "held out\n2", "held out\n25.0 %"} <= texts(figure)
    assert any(np.array_equal(line.get_ydata(), history.column("loss")) for line in loss.lines)
    assert any(
        np.array_equal(line.get_ydata(), history.column("validation_accuracy")) for line in accuracy.lines
    )


def test_without_accuracy_there_is_one_panel():
    assert len(plot.learning_curve(rows(3)).axes) == 1


def test_accuracy_of_the_held_out_alone_has_its_panel():
    figure = plot.learning_curve(rows(3, validation_accuracy=lambda i: 0.5))
    assert len(figure.axes) == 2 and "held out\n50.0 %" in texts(figure)


@pytest.mark.parametrize("gap", [0.1, 0.0, -0.1])
def test_names_of_curves_never_overlap(gap):
    figure = plot.learning_curve(rows(30, validation_loss=lambda i: 1 / (i + 1) + gap))
    heights = sorted(text.xy[1] for text in figure.axes[0].texts)
    assert len(heights) == 2 and heights[1] - heights[0] >= plot.LABEL - 1e-9


@pytest.mark.parametrize(
    "loss", [lambda i: 0.0, lambda i: -1.0 + i, lambda i: float("nan"), lambda i: 10.0**-i]
)
def test_any_loss_can_be_drawn(loss, tmp_path):
    history = rows(5, accuracy=lambda i: 1.0)
    for row, i in zip(history, range(5), strict=True):
        row["loss"] = loss(i)
    plot.learning_curve(history, tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf", "A.PNG"])
def test_pictures_are_saved_by_their_ending(tmp_path, name):
    plot.learning_curve(rows(3), tmp_path / name)
    start = (tmp_path / name).read_bytes()[:200]
    assert start.startswith((b"\x89PNG", b"%PDF")) or b"<?xml" in start


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(SettingError, match=r"\.png, \.svg or \.pdf"):
        plot.learning_curve(rows(3), tmp_path / "a.model")
    assert not list(tmp_path.iterdir())


def test_history_plots_itself(tmp_path):
    rows(3).plot(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_notebook_shows_the_picture():
    assert rows(3).plot()._repr_png_().startswith(b"\x89PNG")


def test_nothing_is_drawn_of_no_epochs():
    with pytest.raises(DataError, match="no epochs"):
        History().plot()


def test_pyplot_is_never_imported(tmp_path):
    code = (
        "import sys; from fastnn import plot; from fastnn.history import History;"
        f"plot.learning_curve(History([dict(epoch=1, loss=1.0)]), {str(tmp_path / 'a.png')!r});"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    import subprocess

    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("n", [1, 3, 12, 20])
def test_the_report_shows_misread_images_with_what_was_said(n):
    images = np.random.default_rng(0).random((n, 8, 8))
    mistakes = plot.Mistakes(images, ["4"] * n, ["9"] * n, 360)
    figure = plot.report(rows(3, accuracy=lambda i: 0.5), title="digits", mistakes=mistakes)
    panel = figure.axes[-1]
    assert panel.get_title(loc="left") == f"misread: {n} of 360 held out"
    assert (
        len(panel.images) == len(panel.texts) == min(n, plot.SHOWN) and panel.texts[0].get_text() == "4 as 9"
    )
    assert np.array_equal(panel.images[0].get_array(), images[0])


def test_the_report_without_mistakes_has_no_panel_for_them():
    mistakes = plot.Mistakes(np.empty((0, 8, 8)), [], [], 360)
    assert len(plot.report(rows(3, accuracy=lambda i: 1.0), mistakes=mistakes).axes) == 2


def test_the_report_of_a_regression_sets_predicted_against_true(tmp_path):
    true = np.arange(5.0)
    figure = plot.report(rows(3), tmp_path / "a.png", predictions=plot.Predictions(true, true[:, None] + 1))
    points = figure.axes[1].collections[0].get_offsets()
    assert points[:, 0].tolist() == true.tolist() and points[:, 1].tolist() == (true + 1).tolist()


def test_the_confusion_table_shows_its_counts(tmp_path):
    figure = plot.confusion([[5, 1], [0, 7]], ["cat", "dog"], tmp_path / "a.png")
    axes = figure.axes[0]
    assert {(t.get_position(), t.get_text()) for t in axes.texts} == {
        ((0, 0), "5"),
        ((1, 0), "1"),
        ((1, 1), "7"),
    }
    assert [t.get_text() for t in axes.get_yticklabels()] == ["cat", "dog"]
    with pytest.raises(DataError, match=r"got +\(2, 2\)\n +expected +\(3, 3\)"):
        plot.confusion([[5, 1], [0, 7]], ["a", "b", "c"])


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"fastnn\[plot\]"):
        rows(3).plot()
