"""Alarms: each comes where it should, and stays silent one step before."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from live_scene import snapshot

from chaffinch.core.errors import InputError
from chaffinch.training.alarms import ALARMS
from chaffinch.training.alarms.alarm import share
from chaffinch.training.diagnostics.concentration import Concentration
from chaffinch.training.diagnostics.noise import LabelNoise, NoiseGap
from chaffinch.training.diagnostics.quality import GroupQuality
from chaffinch.training.diagnostics.snapshot import Disturbance, Point, Validation
from chaffinch.training.diagnostics.surest import Surest
from chaffinch.training.diagnostics.suspected import Side

NOISE = LabelNoise(0.2, 1.5, 80.0, 1000)


def raised(name, *history):
    return ALARMS[name](history)


def changed(one, **parts):
    return dataclasses.replace(one, **parts)


def test_labels_that_resist():
    found = raised("resisting_labels", snapshot(2, noise=NOISE, noisy=True))
    assert found.reason.startswith("about 20 % of the labels resist learning")
    assert (found.epoch, found.about, found.severity) == (2, "labels", "warning")
    assert found.to_dict()["values"]["rate"] == 0.2
    assert raised("resisting_labels", snapshot(2, noise=NOISE)) is None
    assert raised("resisting_labels", snapshot(2)) is None


def test_labels_that_are_confused_always_in_the_same_way():
    surest = Surest(100, 0.2, 0.13, 0.24, 0.9)
    before, now = snapshot(1, surest=surest), snapshot(2, surest=surest)
    found = raised("confused_labels", before, now)
    assert "20 % of the samples that the model is surest of" in found.reason
    assert raised("confused_labels", now) is None
    hard = changed(surest, later=0.45)
    assert raised("confused_labels", before, changed(now, surest=hard)) is None
    unsure = changed(surest, sureness=0.5)
    assert raised("confused_labels", before, changed(now, surest=unsure)) is None
    assert raised("confused_labels", changed(before, surest=unsure), now) is None
    # The other alarm says it already.
    assert raised("confused_labels", before, changed(now, noise=NOISE, noisy=True)) is None


def curve(*met, trusted=0.9):
    return tuple(
        Point(epoch, Side(100, 2.0, value), Side(900, 0.2, trusted))
        for epoch, value in enumerate(met)
    )


def test_memorisation():
    early = snapshot(1, noise=NOISE, noisy=True, set_aside=1)
    now = snapshot(5, set_aside=1, curve=curve(0.1, 0.02, 0.03, 0.02, 0.05, 0.2))
    found = raised("memorisation", early, now)
    assert "begun by epoch 6" in found.reason
    assert "20 % of the suspected labels, after 2 % in epoch 4" in found.reason
    assert raised("memorisation", now) is None  # nothing says that labels are wrong
    slow = changed(now, curve=curve(0.1, 0.02, 0.03, 0.02, 0.05, 0.1))
    assert raised("memorisation", early, slow) is None
    # All is learned alike: that is learning.
    points = [
        changed(point, trusted=Side(900, 0.2, 0.6 + 0.05 * point.epoch)) for point in now.curve
    ]
    assert raised("memorisation", early, changed(now, curve=tuple(points))) is not None
    points = [
        changed(point, trusted=Side(900, 0.2, 0.3 + 0.1 * point.epoch)) for point in now.curve
    ]
    assert raised("memorisation", early, changed(now, curve=tuple(points))) is None


def group(name, gap, surest=None, **parts):
    return GroupQuality(name, 500, 0.8, 0.5, surest, noise=gap, **parts)


def test_a_source_and_a_class_with_worse_labels():
    bad = group("B", NoiseGap(500, 0.33, 0.11, 50.0))
    rest = tuple(group(name, NoiseGap(500, 0.1, 0.15, 1.0)) for name in "AC")
    for name, kind, first in (("source_quality", "groups", 1), ("class_quality", "classes", 2)):
        before, now = (snapshot(first + n, **{kind: (*rest, bad)}) for n in (0, 1))
        assert raised(name, changed(before, epoch=first - 1), now) is None
        found = raised(name, before, now)
        assert found.subject == "B"
        assert "3 times" in found.reason
        assert raised(name, snapshot(first, **{kind: rest}), now) is None
        assert raised(name, now) is None
        weak = changed(bad, noise=NoiseGap(500, 0.33, 0.11, 9.0))
        assert raised(name, before, changed(now, **{kind: (*rest, weak)})) is None
    two = [snapshot(epoch, classes=(rest[0], bad)) for epoch in (2, 3)]
    assert raised("class_quality", *two) is None


def test_a_source_without_outputs_is_judged_where_the_model_is_surest():
    surest = Surest(100, 0.3, 0.2, 0.35, 0.9)
    bad = group("B", None, surest, elsewhere=0.02, excess=9.0)
    before, now = (snapshot(epoch, groups=(bad,)) for epoch in (1, 2))
    assert "15 times" in raised("source_quality", before, now).reason
    hard = changed(bad, surest=changed(surest, later=0.9))
    assert raised("source_quality", before, snapshot(2, groups=(hard,))) is None
    assert raised("class_quality", before, snapshot(2, classes=(bad, bad, bad))) is None


def held(loss, surplus=0.05, count=500):
    return Validation(count, loss, 0.7, abs(surplus), surplus)


def test_losses_that_are_not_finite():
    assert (
        "validation loss is nan"
        in raised("not_finite", snapshot(0, validation=held(float("nan")))).reason
    )
    assert "3 samples" in raised("not_finite", snapshot(0, broken=3)).reason
    assert raised("not_finite", snapshot(0, validation=held(1.0))) is None


def test_divergence():
    calm, wild = snapshot(0, loss=1.0), snapshot(1, loss=3.0, accuracy=0.3)
    assert "after 1 in epoch 1" in raised("divergence", calm, wild).reason
    assert raised("divergence", calm, changed(wild, loss=2.4)) is None
    assert raised("divergence", changed(calm, loss=float("nan")), wild) is None


def test_overfitting_and_overconfidence():
    falling = [snapshot(e, loss=1 - e / 10, validation=held(0.5 + e / 20)) for e in range(4)]
    assert "from 0.5 in epoch 1 to 0.65 in epoch 4" in raised("overfitting", *falling).reason
    assert raised("overfitting", *falling[:3]) is None
    assert raised("overfitting", *falling[:3], changed(falling[3], loss=1.1)) is None
    sure = snapshot(1, validation=held(1.0, 0.2))
    assert "20 %" in raised("overconfidence", sure).reason
    assert raised("overconfidence", snapshot(1, validation=held(1.0, 0.2, 50))) is None
    assert raised("overconfidence", snapshot(1, validation=held(1.0, 0.1))) is None
    assert raised("overconfidence", snapshot(1, validation=held(1.0, -0.4))) is None


def test_gradient_that_few_samples_carry():
    few = Concentration(0.005, np.arange(5))
    found = raised("gradient_concentration", snapshot(1, concentration=few))
    assert found.reason.startswith("0.5 % of the samples carry half of the gradient")
    assert found.ids.tolist() == [0, 1, 2, 3, 4]
    many = Concentration(0.02, np.arange(20))
    assert raised("gradient_concentration", snapshot(1, concentration=many)) is None
    assert raised("gradient_concentration", snapshot(0, concentration=few)) is None


def test_samples_that_disturb():
    found = Disturbance(np.arange(8), 8, 0.3)
    assert "8 samples" in raised("disturbing_samples", snapshot(3, disturbance=found)).reason
    weak = changed(found, pull=0.1)
    assert raised("disturbing_samples", snapshot(3, disturbance=weak)) is None


def test_a_class_that_is_hardly_learned_and_samples_that_never_come():
    hard = GroupQuality("cat", 50, 0.03, 2.0, None)
    easy = GroupQuality("dog", 50, 0.9, 0.1, None)
    found = raised("hard_class", snapshot(2, classes=(easy, hard)))
    assert "class 'cat' is hardly learned: 3 % of its 50 labels" in found.reason
    assert raised("hard_class", snapshot(2, classes=(easy,))) is None
    assert raised("hard_class", snapshot(2, accuracy=0.4, classes=(easy, hard))) is None
    assert "200 of 1,000" in raised("unseen_samples", snapshot(1, never=200)).reason
    assert raised("unseen_samples", snapshot(1, never=10)) is None


def test_every_alarm_has_a_summary_and_is_tested_here():
    source = Path(__file__).read_text("utf-8")
    for name, rule in ALARMS.items():
        assert rule.summary
        assert f'"{name}"' in source
        assert rule([snapshot(0)]) is None
    with pytest.raises(InputError, match="Did you mean 'divergence'"):
        ALARMS["divergense"]


def test_shares_read_as_people_say_them():
    assert [share(value) for value in (0.2, 0.005, 0.094, 0.0951, 1.0)] == [
        "20 %",
        "0.5 %",
        "9.4 %",
        "10 %",
        "100 %",
    ]
