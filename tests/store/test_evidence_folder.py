import json
import os
from dataclasses import replace

import numpy as np
import pytest

from chaffinch.core.errors import InputError, RunError
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.store import EvidenceFolder


def assert_same(one, other):
    assert one.ids.tolist() == other.ids.tolist()
    assert one.ids.dtype.kind == other.ids.dtype.kind == "U"
    assert one.labels.codes.tolist() == other.labels.codes.tolist()
    assert one.labels.classes.tolist() == other.labels.classes.tolist()
    assert one.bias == other.bias
    assert one.records.keys() == other.records.keys()
    for name, array in one.records.items():
        np.testing.assert_array_equal(array, other.need(name))
        assert array.dtype == other.need(name).dtype


@pytest.mark.parametrize("bias", [True, False])
def test_evidence_comes_back_as_it_was(tmp_path, synthetic, bias):
    evidence = replace(synthetic().evidence, bias=bias)
    folder = EvidenceFolder(tmp_path / "run" / "evidence")
    assert not folder.whole
    folder.finish(evidence)
    assert folder.whole
    assert_same(evidence, EvidenceFolder(str(folder.path)).load())
    assert not list(folder.path.glob("*draft*"))


def test_records_that_are_not_there_stay_away(tmp_path, synthetic):
    folder = EvidenceFolder(tmp_path)
    folder.finish(synthetic().only("embeddings"))
    assert list(folder.load().records) == ["embeddings"]


@pytest.mark.parametrize(
    "values",
    [["ü", "", "b"], [3, 1, 2], [True, False, True], [0.5, -1.5, 0.5]],
    ids=["str", "int", "bool", "float"],
)
def test_labels_keep_their_type(tmp_path, values):
    labels = Labels.of(values)
    EvidenceFolder(tmp_path).finish(Evidence(np.asarray(["a", "b", "c"]), labels))
    loaded = EvidenceFolder(tmp_path).load().labels
    assert loaded.values.tolist() == values
    assert [type(value) for value in loaded.values.tolist()] == [type(value) for value in values]
    assert loaded.classes.dtype == labels.classes.dtype


def test_labels_of_mixed_types_become_text(tmp_path):
    EvidenceFolder(tmp_path).finish(Evidence(np.asarray(["a", "b"]), Labels.of(["x", 1])))
    assert EvidenceFolder(tmp_path).load().labels.values.tolist() == ["x", "1"]


def test_a_class_without_samples_is_kept(tmp_path):
    labels = Labels(np.asarray([0, 2]), np.arange(3))
    EvidenceFolder(tmp_path).finish(Evidence(np.asarray(["a", "b"]), labels))
    assert EvidenceFolder(tmp_path).load().labels.counts.tolist() == [1, 0, 1]


def test_records_are_mapped_and_the_file_cannot_be_changed_through_them(tmp_path, synthetic):
    folder = EvidenceFolder(tmp_path)
    folder.finish(synthetic().evidence)
    loaded = folder.load()
    for name, array in loaded.records.items():
        assert isinstance(array, np.memmap), name
    loaded.logits[:] = 7
    folder.open("features")[:] = 7
    assert not (folder.load().logits == 7).all()
    assert not (folder.open("features") == 7).all()


def test_what_was_written_before_is_kept(tmp_path):
    folder = EvidenceFolder(tmp_path / "new")
    first = folder.array("logits", (2, 3))
    assert not first.any()
    first[0] = 1
    first.flush()
    again = folder.array("logits", (2, 3))
    assert again.tolist() == [[1, 1, 1], [0, 0, 0]]
    again[1] = 2
    again.flush()
    assert folder.open("logits").tolist() == [[1, 1, 1], [2, 2, 2]]
    assert folder.open("logits").dtype == np.float32


def test_a_record_of_another_shape_is_replaced(tmp_path):
    folder = EvidenceFolder(tmp_path)
    folder.array("logits", (2, 3))[:] = 1
    assert folder.array("logits", (4, 3)).tolist() == np.zeros((4, 3)).tolist()


@pytest.mark.parametrize("length", [0, 5, 100])
def test_a_record_that_a_crash_cut_off_is_written_anew(tmp_path, length):
    folder = EvidenceFolder(tmp_path)
    folder.array("logits", (2, 30))[:] = 1
    os.truncate(tmp_path / "logits.npy", length)
    fresh = folder.array("logits", (2, 30))
    assert fresh.shape == (2, 30)
    assert not fresh.any()


def test_mapped_records_are_finished_in_place(tmp_path):
    folder = EvidenceFolder(tmp_path)
    folder.array("embeddings", (3, 2))[:] = 5
    labels = Labels.of([0, 1, 0])
    folder.finish(
        Evidence(np.asarray(["a", "b", "c"]), labels, embeddings=folder.open("embeddings"))
    )
    assert folder.load().embeddings.tolist() == [[5, 5]] * 3


def test_an_unfinished_folder_is_not_loaded(tmp_path):
    folder = EvidenceFolder(tmp_path)
    folder.array("logits", (1, 2, 2))
    with pytest.raises(RunError, match=r"evidence in .*; got none that is whole. Scan again"):
        folder.load()


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: os.truncate(file, 40),
        lambda file: os.truncate(file, 200),
        lambda file: os.truncate(file, 0),
        lambda file: file.write_bytes(b"no array"),
        lambda file: file.unlink(),
        lambda file: np.save(file, np.zeros((2, 2), np.float32)),
    ],
    ids=["header", "data", "empty", "garbage", "missing", "shape"],
)
def test_a_damaged_record_is_named(tmp_path, synthetic, damage):
    folder = EvidenceFolder(tmp_path)
    folder.finish(synthetic().evidence)
    damage(tmp_path / "features.npy")
    with pytest.raises(RunError, match=r"features.npy of shape \[240, 6\] in .* was damaged; scan"):
        folder.load()


@pytest.mark.parametrize("name", ["samples.parquet", "classes.parquet", "evidence.json"])
@pytest.mark.parametrize("content", [b"", b"{ no such format", None])
def test_damaged_companions_are_named(tmp_path, synthetic, name, content):
    folder = EvidenceFolder(tmp_path)
    folder.finish(synthetic().evidence)
    if content is None and name != "evidence.json":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content or b"[]")
    with pytest.raises(RunError, match=f"{name}.* in .*damaged"):
        folder.load()


def test_a_full_disk_is_met_before_a_record_is_written(tmp_path, synthetic, monkeypatch):
    class Full:
        f_frsize = 4096
        f_bavail = 300

    monkeypatch.setattr(os, "statvfs", lambda path: Full)
    folder = EvidenceFolder(tmp_path)
    with pytest.raises(
        InputError, match=r"95 MiB of free disk for the record 'logits' .* got 1 MiB"
    ):
        folder.array("logits", (25_000_000,))
    assert list(tmp_path.iterdir()) == []
    big = Evidence(np.asarray(["a"]), Labels.of([0]), embeddings=np.zeros((1, 10**6)))
    with pytest.raises(InputError, match="for the record 'embeddings'"):
        folder.finish(big)
    assert not folder.whole
    # What is reserved comes on top of a MiB that is left for the rest.
    assert folder.array("logits", (1000,)).shape == (1000,)


def test_the_manifest_says_what_is_there(tmp_path, synthetic):
    EvidenceFolder(tmp_path).finish(synthetic().only("logits"))
    manifest = json.loads((tmp_path / "evidence.json").read_text())
    assert manifest == {"records": {"logits": [3, 240, 3]}, "bias": True}
