"""Labels mean what they meant in fit: other ones are refused, not renamed."""

import numpy as np
import pytest

import fastnn as fnn

rng = np.random.default_rng(0)
X, y = rng.normal(size=(60, 4)), rng.permutation(np.arange(60) % 3)
TEXT = np.array(["ant", "bee", "cat"])

OTHERS = {
    "numbers beyond": y + 1,
    "other numbers": y * 10,
    "negative": y - 1,
    "text": TEXT[y],
    "text in objects": TEXT[y].astype(object),
}


@pytest.fixture(scope="module")
def numbered():
    net = fnn.Network(4, [fnn.Dense(3)])
    net.fit(X, y, epochs=1, verbose=False)
    assert net.classes is None
    return net


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_labels_that_fit_did_not_see_are_refused(numbered, other):
    with pytest.raises(fnn.DataError, match="not trained on"):
        numbered.evaluate(X, other)
    with pytest.raises(fnn.DataError, match="not trained on"):
        numbered.objective(X, other)
    with pytest.raises(fnn.DataError, match="not trained on"):
        fnn.Network(4, [fnn.Dense(3)]).fit(X, y, validation=(X, other), epochs=1, verbose=False)


def test_the_same_labels_in_other_clothes_are_taken(numbered):
    scores = numbered.evaluate(X, y)
    for same in (y.tolist(), y.astype(np.uint8), y.astype(float), y.astype(object), y[:, None]):
        assert numbered.evaluate(X, same) == scores
    assert numbered.evaluate(X[:5], y[:5])["loss"] > 0  # not every class need be there
    assert numbered.evaluate(X, np.eye(3)[y])["accuracy"] == scores["accuracy"]


def test_text_labels_come_back_and_numbers_are_refused_for_them():
    net = fnn.Network(4, [fnn.Dense(3)])
    net.fit(X, TEXT[y], epochs=1, verbose=False, validation=(X[:9], TEXT[y][:9]))
    assert set(net.predict_classes(X)) <= set(TEXT)
    with pytest.raises(fnn.DataError, match="not trained on"):
        net.evaluate(X, y)


def test_a_second_fit_may_bring_other_labels():
    net = fnn.Network(4, [fnn.Dense(3)])
    net.fit(X, y, epochs=1, verbose=False)
    net.fit(X, TEXT[y], epochs=1, verbose=False)
    assert net.classes.tolist() == TEXT.tolist()
    net.fit(X, y, epochs=1, verbose=False)
    assert net.classes is None


def test_one_output_has_the_classes_0_and_1():
    net = fnn.Network(4, [fnn.Dense(1)])
    net.fit(X, y > 0, loss="binary_cross_entropy", epochs=1, verbose=False)
    assert net.evaluate(X, y > 0) == net.evaluate(X, (y > 0).astype(int))
    with pytest.raises(fnn.DataError, match="not trained on"):
        net.evaluate(X, np.where(y > 0, 1, -1))


def test_columns_mean_what_they_meant_in_fit():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    net = fnn.Network(4, [fnn.Dense(3)])
    net.fit(frame, y, epochs=1, verbose=False, validation=0.2)
    expected = net(frame)
    np.testing.assert_array_equal(net(X), expected)
    np.testing.assert_array_equal(net(frame[list("dcba")][net.features]), expected)
    for other in (frame[list("dcba")], frame.rename(columns={"a": "e"}), frame[list("abc")]):
        with pytest.raises(fnn.DataError, match="columns"):
            net(other)
        with pytest.raises(fnn.DataError, match="columns"):
            net.fit(frame, y, epochs=1, verbose=False, validation=(other, y))
    net.fit(frame[list("dcba")], y, epochs=1, verbose=False)  # a fit may change them
    assert net.features == list("dcba")


def test_tables_of_pyarrow_name_their_columns():
    pyarrow = pytest.importorskip("pyarrow")
    net = fnn.Network(4, [fnn.Dense(3)])
    table = pyarrow.table({name: X[:, k] for k, name in enumerate("abcd")})
    net.fit(table, y, epochs=1, verbose=False)
    assert net.features == list("abcd")
    assert net(table).shape == (60, 3)
