"""Repaired folders of images: nothing of the user's is written to, and copies are true copies."""

import hashlib
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.data.image_file import read_raw
from chaffinch.repair.augmentation import change_images
from chaffinch.repair.plan import Plan

RNG = np.random.default_rng(0)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def make(root, names=("1", "1+1", "1+1-2", "2"), shape=(8, 8)):
    for folder in "ab":
        for name in names:
            save(root / folder / f"{name}.png", RNG.integers(0, 256, shape).astype(np.uint8))


def hashes(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def id_of(data, name):
    return data.ids[next(row for row, file in enumerate(data.files) if file.endswith(name))]


@pytest.mark.parametrize("links", [False, True])
@pytest.mark.parametrize("table", [False, True])
def test_copies_get_names_that_nobody_has(tmp_path, links, table):
    root, out = tmp_path / "pets", tmp_path / "clean"
    make(root)
    if table:
        names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
        labels = [name[0] for name in names]
        pd.DataFrame({"file": names, "label": labels}).to_csv(root / "labels.csv", index=False)
    data, before = cf.open_data(root), hashes(root)
    plan = Plan(
        (
            cf.Edit(id_of(data, "a/1.png"), "augment", copies=2),
            cf.Edit(id_of(data, "a/1+1-2.png"), "trim"),  # its name is not free for all that
        )
    )
    plan.apply(root, out=out, links=links)
    assert hashes(root) == before
    made = hashes(out)
    new = {"a/1+1-3.png", "a/1+2.png"}
    assert made.keys() - before.keys() == new
    assert before.keys() - made.keys() == {"a/1+1-2.png"}
    kept = (before.keys() & made.keys()) - {"labels.csv"}
    assert all(made[name] == before[name] for name in kept)
    again = cf.open_data(out)
    assert len(again) == 9
    assert {name for name in made if name in new} <= {
        file.removeprefix(f"{out}/") for file in again.files
    }


def test_relabelled_images_get_free_names(tmp_path):
    root, out = tmp_path / "pets", tmp_path / "clean"
    make(root, ("1", "a-1", "b-1"))
    data = cf.open_data(root)
    Plan((cf.Edit(id_of(data, "a/1.png"), "relabel", new_label="b"),)).apply(root, out=out)
    assert sorted(path.name for path in (out / "b").iterdir()) == [
        *("1.png", "a-1-2.png", "a-1.png", "b-1.png")
    ]
    assert (out / "b" / "a-1-2.png").read_bytes() == (root / "a" / "1.png").read_bytes()


@pytest.mark.parametrize("links", [False, True])
def test_relative_links_lead_somewhere_from_their_new_place(tmp_path, links):
    root, out = tmp_path / "pets", tmp_path / "elsewhere" / "clean"
    make(root, ("1", "2"))
    (root / "a" / "1.png").rename(tmp_path / "one.png")
    os.symlink("../../one.png", root / "a" / "1.png")
    out.parent.mkdir()
    Plan((cf.Edit(id_of(cf.open_data(root), "b/1.png"), "trim"),)).apply(root, out=out, links=links)
    assert (out / "a" / "1.png").read_bytes() == (tmp_path / "one.png").read_bytes()
    assert len(cf.open_data(out, trainable=False)) == 3


@pytest.mark.parametrize(
    "array",
    [
        RNG.integers(0, 256, (6, 9)).astype(np.uint8),
        RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8),
        RNG.integers(0, 256, (6, 9, 4)).astype(np.uint8),
        RNG.integers(0, 4096, (6, 9)).astype(np.uint16),
        RNG.integers(-9, 70_000, (6, 9)).astype(np.int32),
        RNG.normal(size=(6, 9)).astype(np.float32),
    ],
)
def test_changed_copies_are_as_deep_as_their_originals(tmp_path, array):
    root = tmp_path / "pets"
    for name in ("a/1", "a/2", "b/1", "b/2"):
        save(root / f"{name}.tif", array + np.asarray(len(name + name[0]), array.dtype))
    data = cf.open_data(root, trainable=False)
    row = [file.endswith("a/1.tif") for file in data.files].index(True)
    out = Plan((cf.Edit(data.ids[row], "augment", copies=1),)).apply(
        root, out=tmp_path / "clean", seed=3
    )
    (made,) = (path for path in out.rglob("1+1.*"))
    wanted = change_images(read_raw(root / "a" / "1.tif")[None], 3 + 1009 * row + 1)[0]
    assert np.array_equal(read_raw(made), wanted)
    assert read_raw(made).dtype == array.dtype


def test_changed_copies_stand_the_right_way_up(tmp_path):
    root = tmp_path / "pets"
    make(root, ("1", "2"), (6, 9))
    exif = Image.Exif()
    exif[0x112] = 6
    save(root / "a" / "1.png", RNG.integers(1, 256, (6, 9)).astype(np.uint8), exif=exif)
    data = cf.open_data(root)
    out = Plan((cf.Edit(id_of(data, "a/1.png"), "augment", copies=1),)).apply(
        root, out=tmp_path / "clean"
    )
    with Image.open(out / "a" / "1.png") as image:
        assert image.getexif()[0x112] == 6
        upright = np.asarray(ImageOps.exif_transpose(image))
    with Image.open(out / "a" / "1+1.png") as image:
        made = np.asarray(image)
        assert 0x112 not in image.getexif()
    assert made.shape == upright.shape == (9, 6)
    row = data.ids.tolist().index(id_of(data, "a/1.png"))
    wanted = change_images(upright[None, ..., None], 1009 * row + 1)[0, ..., 0]
    assert np.array_equal(made, wanted)


def test_broken_images_that_stay_are_copied_as_they_are(tmp_path):
    root, out = tmp_path / "pets", tmp_path / "clean"
    make(root)
    content = (root / "a" / "1.png").read_bytes()[:60]
    (root / "a" / "1.png").write_bytes(content)
    (root / "a" / "2.png").write_bytes(b"")
    data = cf.open_data(root, trainable=False)
    plan = Plan((cf.Edit(id_of(data, "b/2.png"), "augment", copies=1),))
    plan.apply(root, out=out)
    assert (out / "a" / "1.png").read_bytes() == content
    assert (out / "a" / "2.png").read_bytes() == b""
    in_memory = plan.apply(data)
    assert len(in_memory) == 9
    assert set(in_memory.faults) == {id_of(data, "a/1.png"), id_of(data, "a/2.png")}


def test_files_that_a_table_misses_stay_missing(tmp_path):
    root, out = tmp_path / "pets", tmp_path / "clean"
    make(root, ("1", "2"))
    rows = "file,label\na/1.png,x\nb/1.png,y\ngone.png,x\n,y\na/2.png,x\nb/2.png,y\n"
    (root / "labels.csv").write_text(rows)
    data = cf.open_data(root, trainable=False)
    Plan((cf.Edit(data.ids[0], "trim"),)).apply(root, out=out)
    assert (out / "labels.csv").read_text() == rows.replace("a/1.png,x\n", "")
    with pytest.raises(InputError, match="2 unreadable, 1 too_rare"):
        cf.open_data(out)


def test_deep_arrays_are_copied_as_deep_as_they_are():
    x = RNG.integers(0, 4096, (6, 5, 5)).astype(np.uint16)
    y = np.arange(6) % 2
    data = cf.open_data((x, y))
    plan = Plan((cf.Edit(data.ids[0], "augment", copies=1),))
    made = plan.apply(data)
    assert made.span == data.span
    assert np.array_equal(made.store[:6], data.store)
    assert np.isin(made.store[6], [0, *np.unique(x[0])]).all()
    assert np.array_equal(plan.apply((x, y)).X[6], made.store[6, ..., 0])
