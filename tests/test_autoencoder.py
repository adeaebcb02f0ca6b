"""The deep autoencoder of 2006: it beats PCA with as many numbers, by pre-training, on the digits of the package and on MNIST."""

import os
from pathlib import Path

import numpy as np
import pytest

import fastnn as fnn
from fastnn.examples import autoencoder

BESIDE = Path(__file__).parents[2] / "shared" / "data" / "mnist"
FOLDER = Path(os.environ.get("FASTNN_MNIST") or BESIDE)
QUIET = {"verbose": False}


def test_the_example_beats_pca_by_pre_training(tmp_path):
    """With fewer epochs than it has by itself: 0.92 then, PCA 1.62, and 2.8 without pre-training."""
    picture = tmp_path / "autoencoder.png"
    numbers = autoencoder.run(pretraining=30, epochs=30, out=str(picture))
    assert numbers["after"] < 0.7 * numbers["pca"]
    assert numbers["after"] < 0.5 * numbers["without"]
    assert numbers["before"] < 1.5 * numbers["pca"]
    assert len(numbers["curves"]["pre-trained"]) == 30
    assert picture.stat().st_size > 30_000
    table, explained = autoencoder.report(numbers)
    assert table.row_count == 4 and "297 digits" in explained


def test_pca_is_the_best_linear_projection():
    """Its error is the sum of the variances that are left out."""
    X = np.random.default_rng(0).normal(size=(500, 12)) @ np.diag(np.arange(1.0, 13.0))
    left = np.linalg.eigvalsh(np.cov(X, rowvar=False, bias=True))[:-4].sum()
    assert autoencoder.error(autoencoder.pca(X, 4), X) == pytest.approx(left, rel=1e-9)


def test_a_small_autoencoder_beats_pca_on_mnist(capsys):
    """784-200-30, 5,000 training images: a tenth of the example's work, for every run of the tests."""
    if not FOLDER.is_dir():
        with capsys.disabled():
            print(f"\nno MNIST in {FOLDER.name}/ (FASTNN_MNIST): nothing was compared on it")
        return
    train, test = fnn.datasets.mnist(FOLDER)
    X, held = train.X[:5000] / 255, test.X[:2000] / 255
    belief = fnn.DeepBelief([784, 200, 30], code="gaussian", seed=0)
    belief.fit(X, epochs=8, eta=[0.1, 0.001], momentum=0.5, mean_field=True, batch_size=50, **QUIET)
    net = belief.unroll()
    net.fit(X, X, epochs=16, batch_size=50, eta=0.002, schedule="cosine", seed=0, **QUIET)
    pca = autoencoder.error(autoencoder.pca(X, 30), held)
    found = autoencoder.error(net.predict, held)
    assert 13 < pca < 15
    assert found < 0.9 * pca, (found, pca)
