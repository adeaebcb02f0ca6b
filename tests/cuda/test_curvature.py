"""The ends of the Hessian's spectrum come from products that the GPU computes, and are those of the CPU."""

import numpy as np
import pytest
from on_device import DTYPES, dense, numbers

pytestmark = pytest.mark.cuda


@pytest.mark.parametrize("dtype", DTYPES)
def test_curvature_and_the_name_of_a_place_are_the_same(dtype):
    X, y = numbers(12, 3, dtype=dtype), numbers(12, 1, seed=1, dtype=dtype)
    net = dense(3, 4, 1, dtype=dtype)
    found, expected = (net.objective(X, y, loss="squared_error", device=device) for device in ("cuda", "cpu"))
    a, b = found.curvature(net.theta, k=2), expected.curvature(net.theta, k=2)
    np.testing.assert_allclose(a.largest, b.largest, atol=a.error + b.error)
    np.testing.assert_allclose(a.smallest, b.smallest, atol=a.error + b.error)
    assert found.describe(net.theta).name == expected.describe(net.theta).name
