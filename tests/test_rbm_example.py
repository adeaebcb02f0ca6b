"""The example of bars and stripes: its likelihood is exact, and more steps of Gibbs sampling gain more of it."""

import numpy as np
import pytest
from rbm_oracle import Enumerated, machine, states

from fastnn.examples import rbm


def test_the_likelihood_is_that_of_enumeration():
    one = machine(seed=3)
    X = states(6)[[3, 17, 40]]
    exact = np.log(Enumerated(one).of_v[[3, 17, 40]]).mean()
    assert rbm.log_likelihood(one, X, states(6)) == pytest.approx(exact, rel=1e-12)


def test_bars_and_stripes_are_thirty_images():
    X = rbm.bars_and_stripes().reshape(-1, 4, 4)
    assert len(X) == 30
    assert all((image == image[:1]).all() or (image == image[:, :1]).all() for image in X)


def test_more_steps_gain_more_likelihood(tmp_path):
    picture = tmp_path / "rbm.png"
    numbers = rbm.run(epochs=800, out=str(picture))
    ends = {name: curve[-1][1] for name, curve in numbers["curves"].items()}
    assert numbers["alike"] + 3 < ends["CD-1"] < ends["CD-10"] < numbers["best"]
    assert ends["persistent"] > ends["CD-1"] - 0.5
    assert picture.stat().st_size > 20_000
    assert rbm.report(numbers)[0].row_count == 3
