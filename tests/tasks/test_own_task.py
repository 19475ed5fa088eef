"""A task of somebody's own, in one file."""

import sys
from importlib.metadata import EntryPoint

import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.tasks import registry

ANGLES = '''
"""Directions in degrees, of which 359 lies beside 1."""

import numpy as np
from chaffinch.tasks import FoldTask, Judgement, Kind
from sklearn.neighbors import KNeighborsRegressor


class Angles(FoldTask):
    name, noun = "angles", "direction"
    kinds = {
        "wrong_direction": Kind("Wrong direction", "harmful", "points elsewhere", "astray"),
        "clean": Kind("Clean", "keep", "nothing speaks against it", "clean"),
    }
    records = {"held_out_point": ("N", "D")}

    def targets(self, data):
        radians = np.deg2rad(data.labels.values.astype(float))
        return np.column_stack([np.cos(radians), np.sin(radians)])

    def fit(self, features, targets, seed):
        model = KNeighborsRegressor(9).fit(features, targets)
        return lambda rows: {"point": model.predict(rows)}

    def judge(self, problem, records):
        point = records["held_out_point"]
        wrong = np.where(np.linalg.norm(point - problem.targets, axis=1) > 1, 0.95, 0.02)
        right = np.rad2deg(np.arctan2(point[:, 1], point[:, 0])) % 360
        why = [f"It should point to {one:.0f} degrees." for one in right]
        kinds = {"wrong_direction": wrong, "clean": 1 - wrong}
        return Judgement(kinds, right.round(), np.ones(len(problem)), why)
'''


@pytest.fixture
def angles(tmp_path):
    file = tmp_path / "angles.py"
    file.write_text(ANGLES)
    return file


@pytest.fixture
def compass():
    rng = np.random.default_rng(0)
    turn = rng.uniform(0, 360, 200)
    radians = np.deg2rad(turn)
    frame = pd.DataFrame({"east": np.cos(radians), "north": np.sin(radians), "label": turn.round()})
    frame.loc[:9, "label"] = (frame.loc[:9, "label"] + 180) % 360
    return frame


def test_a_task_in_one_file_is_scanned_shown_and_reported(angles, compass, tmp_path):
    run = cf.scan(compass, task=f"{angles}:Angles", out=tmp_path / "run", ledger="none")
    assert set(run.flagged["row"]) == set(range(10))
    assert (run.flagged["kind"] == "wrong_direction").all()
    assert run.info.task.noun == "direction"
    assert run.flagged["why"].iloc[0].startswith("It should point to")
    page = (run.path / "report.html").read_text("utf-8")
    assert "Wrong direction" in page
    assert "Right directions" in page


def test_a_task_can_be_passed_itself(angles, compass):
    sys.path.insert(0, str(angles.parent))
    try:
        from angles import Angles

        for one in (Angles, Angles()):
            assert len(cf.scan(compass, task=one).flagged) == 10
    finally:
        sys.path.remove(str(angles.parent))


def test_an_installed_task_has_a_name(angles, compass, monkeypatch):
    monkeypatch.syspath_prepend(str(angles.parent))
    entry = EntryPoint("angles", "angles:Angles", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] * (group == registry.GROUP))
    assert "angles" in registry.task_names()
    assert len(cf.scan(compass, task="angles").flagged) == 10


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("regresion", "the name of a task.*Known: .*multilabel, regression, classification"),
        (3, "a task or its name"),
        ("nowhere.py:Task", "a file at nowhere.py"),
        ("collections:OrderedDict", "a subclass of chaffinch.tasks.Task"),
    ],
)
def test_what_is_no_task_is_refused(compass, task, message):
    with pytest.raises(InputError, match=message):
        cf.scan(compass, task=task)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('"clean": 1 - wrong', "sum to 1"),
        ('"wrong_direction": wrong,', "sum to 1"),
        ('kinds = {"wrong_direction"', "kinds of the task"),
        ('"point": model', "the record 'held_out_point'|records held_out_point"),
    ],
)
def test_a_task_that_breaks_the_contract_is_told_how(angles, compass, change, message):
    other = {
        '"clean": 1 - wrong': '"clean": wrong',
        '"wrong_direction": wrong,': '"wrong_direction": -wrong,',
        'kinds = {"wrong_direction"': 'kinds = {"odd"',
        '"point": model': '"place": model',
    }[change]
    assert change in ANGLES
    angles.write_text(ANGLES.replace(change, other))
    with pytest.raises(InputError, match=message):
        cf.scan(compass, task=f"{angles}:Angles")


def test_numbers_that_name_classes_stay_classes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2))
    y = (x[:, 0] > 0).astype(float)
    given = registry.ScanInput.of((x, y))
    assert registry.find_task("auto", given).name == "classification"
    assert registry.find_task("auto", registry.ScanInput.of((x, x[:, 0]))).name == "regression"


def test_a_file_is_opened_once_and_read_once(tmp_path, monkeypatch):
    from chaffinch.data import opening

    calls = []
    read = opening.read_table
    monkeypatch.setattr(opening, "read_table", lambda *a: calls.append(a[0]) or read(*a))
    pd.DataFrame({"a": [1.5, 2, 3, 4] * 9, "label": list("abab") * 9}).to_csv(
        tmp_path / "t.csv", index=False
    )
    cf.scan(tmp_path / "t.csv", epochs=1, folds=0, canaries=False)
    assert len(calls) == 1
