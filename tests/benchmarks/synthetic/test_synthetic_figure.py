"""The drawing of gradient space."""

import re
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.decomposition import PCA

from benchmarks.experiments.synthetic import figure


def test_the_drawing_is_the_same_every_time_and_has_all_panels(tmp_path, monkeypatch):
    monkeypatch.setattr(figure, "trained", partial(figure.trained, steps=30))
    monkeypatch.setattr(figure, "_GRID", 21)
    for name in ("one.svg", "two.svg"):
        figure.gradient_space(tmp_path / name)
    text = (tmp_path / "one.svg").read_bytes()
    assert text == (tmp_path / "two.svg").read_bytes()
    assert len(re.findall(rb'id="axes_\d+"', text)) == 8
    assert b"<dc:date>" not in text


def test_gradients_are_those_of_the_sigmoid_net(problem, sigmoid_gradients):
    net = problem.retrain(np.ones((1, len(problem.given)), dtype=np.float32))
    assert np.allclose(figure.gradients_of(problem, net), sigmoid_gradients, rtol=1e-3, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(
    arrays(np.float64, st.tuples(st.integers(3, 9), st.integers(2, 5)), elements=st.floats(-9, 9))
)
def test_principal_components_are_those_of_scikit_learn(rows):
    places, share = figure.principal(rows)
    centred = rows - rows.mean(0)
    if np.linalg.norm(centred) < 1e-6:
        assert np.allclose(places, 0, atol=1e-5)
        return
    fitted = PCA().fit(rows)
    assert share == pytest.approx(fitted.explained_variance_ratio_[:2].sum())
    assert np.allclose(places.var(0, ddof=1), fitted.explained_variance_[:2], atol=1e-6)
