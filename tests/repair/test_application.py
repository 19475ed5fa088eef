"""Applying a plan, in every format: what it says is done, and nothing else."""

import gzip
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet
from torch.utils.data import TensorDataset

import chaffinch as cf
from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.repair.difference import difference, intended
from chaffinch.repair.plan import Plan

WORDS = np.array(["ant", "bee", "cow"], dtype=object)


def frame_of(count: int = 12) -> pd.DataFrame:
    random = np.random.default_rng(count)
    return pd.DataFrame(
        {
            "key": [f"k{n}" for n in range(count)],
            "size": random.normal(size=count).astype(np.float32),
            "legs": random.integers(0, 9, count).astype(np.int16),
            "label": WORDS[np.arange(count) % 3],
            "colour": pd.Categorical(np.where(np.arange(count) % 2, "red", "blue")),
        }
    )


def plan_for(ids, labels, more: tuple[Edit, ...] = ()) -> Plan:
    """Leaves out the second sample and gives the third the label of the first."""
    return Plan(
        (
            Edit(ids[1], "trim", old_label=str(labels[1])),
            Edit(ids[2], "relabel", old_label=str(labels[2]), new_label=str(labels[0])),
            *more,
        )
    )


def check_difference(before, after, plan, **options):
    first = cf.open_data(before, trainable=False, **options)
    second = cf.open_data(after, trainable=False, **options)
    assert difference(first, second) == intended(plan)
    assert set(second.ids) == set(first.ids) - {e.id for e in plan.edits if e.leaves_out}


def test_a_frame_keeps_columns_types_and_index():
    frame = frame_of().set_index(pd.Index(range(100, 112), name="row"))
    before = frame.copy(deep=True)
    plan = plan_for(frame["key"].tolist(), frame["label"].tolist())
    clean = plan.apply(frame, id_column="key")
    pd.testing.assert_frame_equal(frame, before)
    assert list(clean.dtypes) == list(frame.dtypes)
    assert list(clean.columns) == list(frame.columns)
    expected = before.drop(index=101)
    expected.loc[102, "label"] = "ant"
    pd.testing.assert_frame_equal(clean, expected)
    check_difference(frame, clean, plan, id_column="key")


def test_weights_and_soft_labels_stand_in_columns_that_are_no_features():
    frame = frame_of()
    soft = (("ant", 0.25), ("bee", 0.75))
    edits = (Edit("k3", "reweight", weight=0.5), Edit("k4", "soften", soft_label=soft))
    clean = Plan(edits).apply(frame, id_column="key")
    assert clean["chaffinch_weight"].tolist() == [1, 1, 1, 0.5] + [1] * 8
    assert clean["chaffinch_soft_label"].iloc[4] == '{"ant": 0.25, "bee": 0.75}'
    opened = cf.open_data(clean, id_column="key")
    assert list(opened.frame.columns) == ["size", "legs", "colour"]


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "parquet", "feather", "jsonl"])
def test_table_files_keep_their_format(tmp_path, kind):
    frame = frame_of().astype({"colour": str})
    path, out = tmp_path / f"data.{kind}", tmp_path / f"clean.{kind}"
    if kind == "parquet":
        frame.to_parquet(path, index=False)
    elif kind == "feather":
        frame.to_feather(path)
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    before = path.read_bytes()
    plan = plan_for(frame["key"].tolist(), frame["label"].tolist())
    assert plan.apply(path, id_column="key", out=out) == out
    assert path.read_bytes() == before
    check_difference(path, out, plan, id_column="key")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([path.name, out.name])
    if kind == "parquet":
        assert parquet.read_schema(out) == parquet.read_schema(path)


def test_untouched_rows_of_a_csv_keep_every_byte(tmp_path):
    text = (
        '\ufeffname,size,label\r\n"a, b",1.50,x\r\nc,+2,y\r\n\r\n"d ""e""\nf",3e0,x\r\n  g ,004,y'
    )
    path, out = tmp_path / "data.csv", tmp_path / "clean.csv"
    path.write_bytes(text.encode())
    ids = cf.open_data(path).ids
    plan = Plan((Edit(ids[1], "relabel", new_label="x"),))
    plan.apply(path, out=out)
    expected = text.replace("c,+2,y", "c,+2,x").replace("\r\n\r\n", "\r\n") + "\r\n"
    assert out.read_bytes().decode() == expected
    Plan((Edit(ids[0], "reweight", weight=0.25),)).apply(path, out=out, overwrite=True)
    lines = out.read_bytes().decode().split("\r\n")
    assert lines[0] == "\ufeffname,size,label,chaffinch_weight"
    assert lines[1:3] == ['"a, b",1.50,x,0.25', "c,+2,y,1.0"]


@given(st.lists(st.sampled_from(["keep", "trim", "relabel"]), min_size=4, max_size=12))
def test_apply_then_difference_gives_the_plan_back(steps):
    random = np.random.default_rng(len(steps))
    x = random.normal(size=(len(steps) + 3, 2))
    y = np.array([*(np.arange(len(steps)) % 3), 0, 1, 2])
    data = cf.open_data((x, y), trainable=False)
    edits = []
    for row, step in enumerate(steps):
        if step == "trim":
            edits.append(Edit(data.ids[row], "trim"))
        elif step == "relabel":
            edits.append(Edit(data.ids[row], "relabel", new_label=str((y[row] + 1) % 3)))
    plan = Plan(tuple(edits))
    clean = plan.apply((x, y))
    check_difference((x, y), (clean.X, clean.y), plan)
    assert clean.ids.tolist() == cf.open_data((clean.X, clean.y), trainable=False).ids.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
@pytest.mark.parametrize("form", ["numpy", "torch", "frame", "list of labels"])
def test_arrays_keep_form_and_type(dtype, form):
    x = (10 * np.random.default_rng(0).normal(size=(9, 3))).astype(dtype)
    y = np.arange(9, dtype=np.int32) % 3
    X = {"torch": torch.from_numpy(x), "frame": pd.DataFrame(x, columns=list("abc"))}.get(form, x)
    Y = {"torch": torch.from_numpy(y), "list of labels": y.tolist()}.get(form, y)
    ids = cf.open_data((X, Y)).ids
    more = (Edit(ids[3], "reweight", weight=0.5), Edit(ids[4], "quarantine"))
    clean = plan_for(ids, y, more).apply((X, Y))
    rows = [0, 2, 3, 5, 6, 7, 8]
    assert type(clean.X) is type(X)
    assert type(clean.y) is type(Y)
    np.testing.assert_array_equal(np.asarray(clean.X), x[rows])
    assert np.asarray(clean.X).dtype == dtype
    np.testing.assert_array_equal(np.asarray(clean.y), [0, 0, 0, 2, 0, 1, 2])
    assert clean.weights.tolist() == [1, 1, 0.5, 1, 1, 1, 1]
    assert clean.ids.tolist() == ids[rows].tolist()
    assert clean.quarantined == (ids[4],)
    assert clean.soft_labels is None


def test_mappings_and_npz_files_keep_their_other_keys(tmp_path):
    arrays = {"x": np.arange(12.0).reshape(6, 2), "y": np.arange(6) % 2, "site": np.arange(6)}
    ids = cf.open_data(arrays).ids
    plan = plan_for(ids, arrays["y"])
    clean = plan.apply(arrays)
    assert clean["site"].tolist() == [0, 2, 3, 4, 5]
    np.savez(tmp_path / "data.npz", **arrays)
    plan.apply(tmp_path / "data.npz", out=tmp_path / "clean.npz")
    with np.load(tmp_path / "clean.npz") as found:
        assert {k: found[k].tolist() for k in found} == {k: v.tolist() for k, v in clean.items()}


def test_arrow_tables_keep_their_schema():
    table = pa.Table.from_pandas(frame_of(), preserve_index=False)
    table = table.replace_schema_metadata({"made": "by hand"})
    plan = plan_for(table["key"].to_pylist(), table["label"].to_pylist())
    clean = plan.apply(table, id_column="key")
    assert clean.schema.equals(table.schema, check_metadata=True)
    check_difference(table, clean, plan, id_column="key")


def test_huggingface_data_keep_their_features():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"size": datasets.Value("float32"), "label": datasets.ClassLabel(names=["ant", "bee"])}
    )
    data = datasets.Dataset.from_dict(
        {"size": [1.0, 2.0, 3.0, 4.0], "label": [0, 1, 1, 0]}, features=features
    )
    ids = cf.open_data(data).ids
    clean = plan_for(ids, ["ant", "bee", "bee"]).apply(data)
    assert clean.features == data.features
    assert clean["label"][:] == [0, 0, 0]
    assert data["label"][:] == [0, 1, 1, 0]


def test_torch_data_get_an_overlay():
    x = torch.arange(12.0).reshape(6, 2)
    data = TensorDataset(x, torch.tensor([0, 1, 2, 0, 1, 2]))
    ids = cf.open_data(data).ids
    more = (Edit(ids[3], "reweight", weight=0.5), Edit(ids[5], "augment", copies=2))
    view = plan_for(ids, [0, 1, 2], more).apply(data, weights=True)
    assert len(view) == 7
    items = [view[n] for n in range(7)]
    assert [int(y) for _, y, _ in items] == [0, 0, 0, 1, 2, 2, 2]
    assert [float(w) for *_, w in items] == [1, 1, 0.5, 1, 1, 1, 1]
    assert all(torch.equal(items[k][0], x[5]) for k in (4, 5, 6))
    assert view.ids[-2:].tolist() == [f"{ids[5]}+1", f"{ids[5]}+2"]
    assert data.tensors[1].tolist() == [0, 1, 2, 0, 1, 2]


def make_images(root, names=("cat", "dog"), count=4):
    random = np.random.default_rng(3)
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")


@pytest.mark.parametrize("links", [False, True])
def test_image_folders_are_copied_or_linked(tmp_path, links):
    root, out = tmp_path / "images", tmp_path / "clean"
    make_images(root)
    data = cf.open_data(root)
    place = dict(zip(data.files, data.ids, strict=True))
    gone, moved = place[str(root / "cat" / "1.png")], place[str(root / "cat" / "2.png")]
    plan = Plan((Edit(gone, "trim"), Edit(moved, "relabel", old_label="cat", new_label="dog")))
    plan.apply(root, out=out, links=links)
    files = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png"))
    assert files == ["cat/0.png", "cat/3.png"] + [
        f"dog/{name}.png" for name in ("0", "1", "2", "3", "cat-2")
    ]
    assert (out / "dog" / "cat-2.png").read_bytes() == (root / "cat" / "2.png").read_bytes()
    assert (out / "cat" / "0.png").samefile(root / "cat" / "0.png") == links
    check_difference(root, out, plan)


def test_tables_of_images_are_changed_row_by_row(tmp_path):
    root, out = tmp_path / "images", tmp_path / "clean"
    make_images(root, ("all",), 4)
    rows = "file,label,note\nall/0.png,x,1\nall/1.png,y,2\nall/2.png,y,3\nall/3.png,x,4\n"
    (root / "labels.csv").write_text(rows)
    ids = cf.open_data(root).ids
    plan = plan_for(ids, ["x", "y", "y"], (Edit(ids[3], "augment", copies=1),))
    plan.apply(root, out=out)
    expected = "file,label,note\nall/0.png,x,1\nall/2.png,x,3\nall/3.png,x,4\nall/3+1.png,x,4\n"
    assert (out / "labels.csv").read_text() == expected
    assert not (out / "all" / "1.png").exists()
    opened = cf.open_data(out, trainable=False)
    assert opened.pixels().shape == (4, 8, 8, 1)


def test_copies_lie_between_neighbours_of_their_class():
    random = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    x = random.normal(size=(40, 2)) + 100 * y[:, None]
    ids = cf.open_data((x, y)).ids
    plan = Plan(tuple(Edit(ids[row], "augment", copies=2) for row in (0, 25)))
    clean = plan.apply((x, y), seed=1)
    again = plan.apply((x, y), seed=1)
    np.testing.assert_array_equal(clean.X, again.X)
    assert clean.y[-4:].tolist() == [0, 0, 1, 1]
    for copy, code in zip(clean.X[-4:], clean.y[-4:], strict=True):
        own = x[y == code]
        assert (copy >= own.min(0)).all()
        assert (copy <= own.max(0)).all()
        assert not (own == copy).all(1).any()


@pytest.mark.parametrize("shape", [(6, 6), (6, 6, 3), (3, 6, 6)])
def test_copies_of_images_keep_shape_and_type(shape):
    x = np.random.default_rng(0).integers(1, 255, (8, *shape), dtype=np.uint8)
    y = np.arange(8) % 2
    ids = cf.open_data((x, y)).ids
    clean = Plan((Edit(ids[0], "augment", copies=5),)).apply((x, y))
    assert clean.X.shape == (13, *shape)
    assert clean.X.dtype == np.uint8
    mirrored = x[0, :, :, ::-1] if shape[0] == 3 else x[0, :, ::-1]
    known = [x[0].tobytes(), np.ascontiguousarray(mirrored).tobytes()]
    assert all(copy.tobytes() in known for copy in clean.X[8:])  # an eighth of 6 is no pixel
    assert {copy.tobytes() for copy in clean.X[8:]} == set(known)


def test_copies_of_table_rows_get_ids_of_their_own(tmp_path):
    frame = frame_of().astype({"colour": str})
    path = tmp_path / "data.csv"
    frame.to_csv(path, index=False)
    Plan((Edit("k0", "augment", copies=2),)).apply(path, id_column="key", out=tmp_path / "c.csv")
    clean = cf.open_data(tmp_path / "c.csv", id_column="key")
    assert clean.ids[-2:].tolist() == ["k0+1", "k0+2"]
    assert clean.labels.values[-2:].tolist() == ["ant", "ant"]
    assert clean.frame["legs"].dtype.kind == "i"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Edit("nobody", "trim"), "the samples of the plan"),
        (Edit("k0", "trim", old_label="cow"), "for which the plan was made"),
        (Edit("k0", "relabel", new_label="dog"), "a class of the data"),
        (Edit("k0", "soften", soft_label=(("dog", 1.0),)), "a class of the data"),
    ],
)
def test_plans_that_do_not_fit_are_refused(edit, words):
    with pytest.raises(InputError, match=words):
        Plan((edit,)).apply(frame_of(), id_column="key")


def test_applying_twice_is_refused():
    frame = frame_of()
    plan = plan_for(frame["key"].tolist(), frame["label"].tolist())
    clean = plan.apply(frame, id_column="key")
    with pytest.raises(InputError, match="applied already"):
        plan.apply(clean, id_column="key")


def test_a_plan_that_leaves_nothing_is_refused():
    frame = frame_of()
    with pytest.raises(InputError, match="leaves samples"):
        Plan(tuple(Edit(key, "trim") for key in frame["key"])).apply(frame, id_column="key")


def test_nothing_is_overwritten_unasked(tmp_path):
    path, out = tmp_path / "data.csv", tmp_path / "clean.csv"
    frame_of().to_csv(path, index=False)
    out.write_text("mine")
    plan = Plan((Edit("k0", "trim"),))
    with pytest.raises(InputError, match="nothing at"):
        plan.apply(path, id_column="key", out=out)
    assert out.read_text() == "mine"
    for place in (path, tmp_path / "data.csv" / "inside.csv"):
        with pytest.raises(InputError, match="outside of the data"):
            plan.apply(path, id_column="key", out=place, overwrite=True)
    with pytest.raises(InputError, match=r"of type \.csv"):
        plan.apply(path, id_column="key", out=tmp_path / "clean.parquet")
    with pytest.raises(InputError, match="the option out"):
        plan.apply(frame_of(), id_column="key", out=out)
    with pytest.raises(InputError, match="the options"):
        plan.apply(path, colour="red")
    with pytest.raises(InputError, match="that it did not write"):
        plan.apply(path, id_column="key", out=out, overwrite=True)
    assert out.read_text() == "mine"
    out.unlink()
    for overwrite in (False, True):
        plan.apply(path, id_column="key", out=out, overwrite=overwrite)
        assert len(pd.read_csv(out)) == 11


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    root, out = tmp_path / "images", tmp_path / "clean"
    make_images(root)
    ids = cf.open_data(root).ids
    calls = []

    def full_disk(source, target):
        calls.append(source)
        if len(calls) == 3:
            raise OSError("No space left on device")

    monkeypatch.setattr("shutil.copy2", full_disk)
    with pytest.raises(OSError, match="No space"):
        Plan((Edit(ids[0], "trim"),)).apply(root, out=out)
    assert [p.name for p in tmp_path.iterdir()] == ["images"]


def test_packed_files_stay_packed(tmp_path):
    path, out = tmp_path / "data.csv.gz", tmp_path / "clean.csv.gz"
    frame_of().to_csv(path, index=False)
    Plan((Edit("k0", "trim"),)).apply(path, id_column="key", out=out)
    assert gzip.decompress(out.read_bytes()).startswith(b"key,size")


def test_whole_numbers_that_became_decimals_are_still_the_classes():
    frame = frame_of().assign(label=np.arange(12) % 3)
    plan = Plan((Edit("k0", "relabel", old_label="0.0", new_label="2.0"),))
    assert plan.apply(frame, id_column="key")["label"].iloc[0] == 2
    texts = frame.assign(label=np.array(["2", "2.0", "x"])[np.arange(12) % 3])
    plan = Plan((Edit("k0", "relabel", old_label="2", new_label="2.0"),))
    assert plan.apply(texts, id_column="key")["label"].iloc[0] == "2.0"
    with pytest.raises(InputError, match=r"the label '2\.0'"):
        Plan((Edit("k0", "relabel", old_label="2.0", new_label="x"),)).apply(texts, id_column="key")


@pytest.mark.parametrize("name", ["key", None])
def test_copies_keep_the_index_that_a_parquet_file_holds(tmp_path, name):
    path, out = tmp_path / "data.parquet", tmp_path / "clean.parquet"
    frame = frame_of().set_index("key").rename_axis(name)
    frame.to_parquet(path)
    ids = cf.open_data(path, trainable=False).ids
    Plan((Edit(ids[0], "trim"), Edit(ids[4], "augment", copies=2))).apply(path, out=out)
    clean = parquet.read_table(out)
    assert clean.schema.equals(parquet.read_table(path).schema)
    made = clean.to_pandas()
    assert made.index.tolist()[:11] == frame.index.tolist()[1:]
    assert (len(made), made["label"].tolist()[-2:]) == (13, ["bee", "bee"])


def test_long_texts_in_a_csv_are_written(tmp_path):
    path, out = tmp_path / "data.csv", tmp_path / "clean.csv"
    long = "word " * 40_000
    path.write_text(f"id,text,label\na,{long},x\nb,short,y\nc,longer,x\nd,longest,y\n")
    plan = Plan((Edit("b", "trim"), Edit("a", "relabel", old_label="x", new_label="y")))
    plan.apply(path, id_column="id", text_column="text", out=out)
    assert out.read_text() == f"id,text,label\na,{long},y\nc,longer,x\nd,longest,y\n"


def test_short_rows_of_a_csv_get_their_cells_where_they_belong(tmp_path):
    path, out = tmp_path / "data.csv", tmp_path / "clean.csv"
    path.write_text(
        'id,size,label,note\na,1,x,one\nb,2,y\nc,3,x,"q, r"\nd,4,"y"\ne,5,x,five\nf,6,y\n'
    )
    edits = (
        Edit("a", "reweight", weight=0.25),
        Edit("b", "relabel", old_label="y", new_label="x"),
        Edit("d", "reweight", weight=0.5),
    )
    Plan(edits).apply(path, id_column="id", text_column="none", out=out)
    lines = out.read_text().splitlines()
    assert lines[0] == "id,size,label,note,chaffinch_weight"
    assert lines[1] == "a,1,x,one,0.25"
    assert lines[2] == "b,2,x,,1.0"
    assert lines[4] == 'd,4,"y",,0.5'
    assert lines[6] == "f,6,y,,1.0"


def test_what_lies_beside_the_result_stays(tmp_path):
    path, out = tmp_path / "data.csv", tmp_path / "clean.csv"
    frame_of().to_csv(path, index=False)
    (tmp_path / "clean.csv.old").write_text("mine")
    Plan((Edit("k0", "trim"),)).apply(path, id_column="key", out=out)
    assert (tmp_path / "clean.csv.old").read_text() == "mine"
    root, out, beside = tmp_path / "images", tmp_path / "clean", tmp_path / "clean.old"
    make_images(root)
    for folder in (out, beside):
        folder.mkdir()
        (folder / "note.txt").write_text("mine")
    ids = cf.open_data(root).ids
    plan = Plan((Edit(ids[0], "trim"),))
    with pytest.raises(InputError, match="that it did not write"):
        plan.apply(root, out=out, overwrite=True)
    assert (out / "note.txt").read_text() == "mine"
    shutil.rmtree(out)
    plan.apply(root, out=out)
    plan.apply(root, out=out, overwrite=True)
    (out / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="changed since"):
        plan.apply(root, out=out, overwrite=True)
    assert (beside / "note.txt").read_text() == "mine"
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"data.csv", "clean.csv", "clean.csv.old", "images", "clean", "clean.old"}


def test_a_folder_around_the_data_is_not_replaced(tmp_path):
    root = tmp_path / "project" / "images"
    make_images(root)
    ids = cf.open_data(root).ids
    with pytest.raises(InputError, match="outside of the data"):
        Plan((Edit(ids[0], "trim"),)).apply(root, out=tmp_path / "project", overwrite=True)
    assert len(list(root.rglob("*.png"))) == 8
