"""The pages in docs/: two languages that say the same, figures that are drawn, code that runs, links that lead somewhere; and what the figures claim."""

import importlib.util
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from fastnn.examples import (
    best_step,
    descent_lemma,
    learning_rate,
    scaling_features,
    stationary,
    surfaces,
    three_steps,
)

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(path.name for path in (DOCS / "en").glob("*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FIGURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
LARGEST = 60_000  # bytes of a picture

spec = importlib.util.spec_from_file_location("build", DOCS / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def text(language, page):
    return (DOCS / language / page).read_text(encoding="utf-8")


def prose(language, page):
    """A page without its code."""
    return BLOCK.sub("", text(language, page))


def both():
    return [
        pytest.param(language, page, id=f"{language}/{page}") for language in ("en", "zh") for page in PAGES
    ]


def test_there_is_a_page_for_every_part_in_both_languages():
    assert [int(page[0]) for page in PAGES] == list(range(1, 8))
    assert PAGES == sorted(path.name for path in (DOCS / "zh").glob("*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_build(page):
    """The same headings by level, figures, code, displayed equations and table rows, in the same order."""
    en, zh = (text(language, page) for language in ("en", "zh"))
    for pattern in (r"^(#+) ", r"^\$\$ (.*) \$\$$", r"^(\|)"):
        assert re.findall(pattern, BLOCK.sub("", en), re.MULTILINE) == re.findall(
            pattern, BLOCK.sub("", zh), re.MULTILINE
        ), pattern
    assert [target for _, target in FIGURE.findall(en)] == [target for _, target in FIGURE.findall(zh)]
    uncommented = [[re.sub(r" *#.*", "", code) for _, code in BLOCK.findall(page)] for page in (en, zh)]
    assert uncommented[0] == uncommented[1]


@pytest.mark.parametrize("language, page", both())
def test_links_lead_to_files(language, page):
    for target in LINK.findall(prose(language, page)):
        assert "://" in target or (DOCS / language / target).resolve().exists(), target


def test_the_index_leads_to_every_page():
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert set(LINK.findall(index)) == {f"{language}/{page}" for language in ("en", "zh") for page in PAGES}


def test_what_the_pages_show_is_what_the_script_draws():
    shown = {Path(target).stem for page in PAGES for _, target in FIGURE.findall(text("en", page))}
    assert shown == set(build.FIGURES)
    assert {path.stem for path in build.FOLDER.iterdir()} == shown
    assert all(path.stat().st_size <= LARGEST for path in build.FOLDER.iterdir())


@pytest.mark.parametrize("language, page", both())
def test_figures_are_described_for_those_who_do_not_see_them(language, page):
    for words, _ in FIGURE.findall(text(language, page)):
        assert len(words) >= 15, words


def test_the_script_draws(tmp_path):
    path = build.draw("three_steps", tmp_path)
    assert 5_000 < path.stat().st_size <= LARGEST


@pytest.mark.parametrize("page", PAGES)
def test_code_runs_in_order(page, tmp_path, capsys):
    script = tmp_path / "page.py"
    blocks = [code for language, code in BLOCK.findall(text("en", page)) if language == "python"]
    assert blocks
    script.write_text("\n".join(blocks), encoding="utf-8")
    runpy.run_path(str(script))


@pytest.mark.parametrize("language, page", both())
def test_dollars_come_in_pairs(language, page):
    for line in prose(language, page).splitlines():
        assert line.count("$") % 2 == 0, line


# ---- what the figures claim


def test_gradient_descent_comes_down_up_to_two_over_L_and_not_above():
    found = learning_rate.run(rates=9)
    for of in found.values():
        limit, below = of["curvature"].eta_limit, of["losses"][:, -1] < of["before"]
        assert below[of["etas"] < 0.99 * limit].all()
    bowl = found["bowl"]
    assert not (bowl["losses"][:, -1] < bowl["before"])[
        bowl["etas"] > 1.01 * bowl["curvature"].eta_limit
    ].any()


def test_no_step_falls_short_of_the_descent_lemma():
    found = descent_lemma.run(seeds=1, rates=4)
    assert all(step["fall"] >= step["promised"] - 1e-9 for step in found["checks"])
    assert (found["along"]["loss"] <= found["along"]["bound"] + 1e-9).all()


def test_places_are_named_by_what_they_are():
    found = stationary.run()
    assert all(of["point"].name == name for name, of in found.items())
    assert found["saddle point"]["losses"][-1] < 1e-6 < found["saddle point"]["losses"][0]
    assert found["plateau"]["losses"][-1] == pytest.approx(found["plateau"]["losses"][0], rel=1e-3)


def test_five_optimizers_go_down_one_surface_and_newton_arrives():
    found = surfaces.run(steps=30)
    assert set(found["paths"]) == {"gd", "adagrad", "sgd", "adam", "newton"}
    for losses in found["losses"].values():
        assert losses[-1] < 0.1 * losses[0]
    assert [place.name for place in found["places"]] == ["saddle point", "minimum"]
    assert found["ends"]["newton"].name == "minimum"


def test_standardised_features_need_a_fraction_of_the_steps():
    found = scaling_features.run()
    raw, standardised = found["raw"], found["standardised"]
    assert raw["L"] / raw["mu"] > 30 * standardised["L"] / standardised["mu"]
    assert raw["steps"] > 20 * standardised["steps"]
    np.testing.assert_allclose(raw["losses"][0], standardised["losses"][0])  # the same function to begin with


def test_newton_squares_its_error():
    distance = best_step.run()["distance"]["Newton"]
    near = distance[(distance < 0.1) & (distance > 1e-7)]
    assert len(near) >= 2 and (near[1:] < 5 * near[:-1] ** 2).all()


def test_the_best_line_is_that_of_least_squares():
    found = three_steps.run(steps=3000)
    np.testing.assert_allclose(found["path"][-1], found["best"], atol=1e-3)
    assert found["loss"] < 0.1 * min(found["candidates"])
