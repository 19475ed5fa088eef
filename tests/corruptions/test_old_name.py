import sys

import pytest

import chaffinch as cf


def test_the_old_name_works_with_a_warning(monkeypatch):
    monkeypatch.delitem(sys.modules, "chaffinch.bench", raising=False)
    monkeypatch.delitem(vars(cf), "bench", raising=False)
    with pytest.warns(DeprecationWarning, match=r"is now chaffinch\.corruptions"):
        old = cf.bench.inject
    assert old is cf.corruptions
    assert "bench" not in cf.__all__
