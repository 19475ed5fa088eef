"""Hostile calls of the library and of the commands: sound results or clear errors, nothing else.

A failing test names each call by target and seed; ``python tests/fuzz/remake.py TARGET SEED`` makes
it again, and a third word tries so many seeds from there on.
"""

import pytest
from fuzz_suite import TARGETS, failure_of

from chaffinch.core.errors import InputError

_FEW, _MANY = 200, 2000
_ROUND = sum(share for _, share in TARGETS.values())


def share_of(target: str, calls: int) -> int:
    """How many of all calls are of this target."""
    return max(1, round(calls * TARGETS[target][1] / _ROUND))


def check(target: str, seeds: range, folder) -> None:
    failures = [
        failure
        for seed in seeds
        if (failure := failure_of(target, seed, folder / str(seed))) is not None
    ]
    assert not failures, "\n" + "\n".join(map(str, failures))


# Warnings of other libraries about hostile numbers are no errors here.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", TARGETS)
def test_hostile_calls(target, tmp_path):
    check(target, range(share_of(target, _FEW)), tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", TARGETS)
def test_many_hostile_calls(target, tmp_path):
    check(target, range(share_of(target, _FEW), share_of(target, _MANY)), tmp_path)


def test_the_suite_sees_what_it_looks_for(monkeypatch, tmp_path):
    def of(call):
        monkeypatch.setitem(TARGETS, "made up", (lambda _draw, _folder: call, 1))
        failure = failure_of("made up", 3, tmp_path)
        return "" if failure is None else str(failure)

    def clear():
        raise InputError("a number", "'x'", "Give one")

    def without_remedy():
        raise InputError("a number", "'x'", "")

    def raw():
        raise KeyError("x")

    assert of(clear) == ""
    assert of(lambda: None) == ""
    assert "without remedy" in of(without_remedy)
    assert "remake.py made up 3" in of(raw)
    assert "KeyError" in of(raw)
