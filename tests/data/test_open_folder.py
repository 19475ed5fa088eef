import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chaffinch.core.errors import InputError
from chaffinch.data import ImageData, open_data
from chaffinch.data.listing import readable_suffixes

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 5, 6)).astype(np.uint8)
NAMES = ["cat/a.png", "cat/b.png", "dog/a.png", "dog/c.png"]


def write(root, names):
    for name, image in zip(names, IMAGES, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / name)


@pytest.fixture
def flat(tmp_path):
    write(tmp_path, ["p.png", "q.png", "r.png", "s.png"])
    return tmp_path


LISTED = pd.DataFrame(
    {"file": ["s.png", "p.png", "q.png", "r.png"], "label": list("aabb"), "no": range(4)}
)


def test_subfolders_are_classes(tmp_path):
    write(tmp_path, NAMES)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "cat" / "._a.png").write_text("no image")
    (tmp_path / "empty").mkdir()
    data = open_data(tmp_path)
    assert isinstance(data, ImageData)
    assert data.labels.values.tolist() == ["cat", "cat", "dog", "dog"]
    assert np.array_equal(data.pixels()[..., 0], IMAGES)
    assert [name[-9:] for name in data.files] == NAMES
    assert open_data(tmp_path, id_column="file").ids.tolist() == NAMES


def test_images_come_in_the_order_of_their_names(tmp_path):
    for number in np.random.default_rng(0).permutation(60):
        folder = tmp_path / "ba"[number % 2]
        folder.mkdir(exist_ok=True)
        Image.fromarray(IMAGES[0] + np.uint8(number)).save(folder / f"{number:02}.png")
    names = open_data(tmp_path, id_column="file").ids.tolist()
    assert names == sorted(names)


def test_an_image_keeps_its_id_when_it_changes_its_folder(tmp_path):
    write(tmp_path, NAMES)
    before = open_data(tmp_path)
    (tmp_path / "cat" / "b.png").rename(tmp_path / "dog" / "z.png")
    after = open_data(tmp_path, trainable=False)
    assert sorted(after.ids) == sorted(before.ids)
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet", "metadata.csv"])
def test_a_flat_folder_has_a_table_of_labels(flat, name):
    write_table = LISTED.to_csv if name.endswith("csv") else LISTED.to_parquet
    write_table(flat / name, index=False)
    for place in (flat, flat / name):
        data = open_data(place, id_column="no")
        assert np.array_equal(data.pixels()[..., 0], IMAGES[[3, 0, 1, 2]])
        assert data.labels.values.tolist() == list("aabb")
        assert data.ids.tolist() == ["0", "1", "2", "3"]


def test_unusable_tables_of_labels_are_refused(flat):
    table = flat / "labels.csv"
    LISTED.rename(columns={"file": "where"}).to_csv(table, index=False)
    with pytest.raises(InputError, match=r"a column of file names .* got the columns 'where'"):
        open_data(flat)
    LISTED.assign(file=["x.png", "y.png", "z.png", None]).to_csv(table, index=False)
    with pytest.raises(InputError, match=r"4 of 4 not there, such as '.*x\.png'"):
        open_data(flat)
    LISTED.assign(file=["s.png", "p.png", "x.png", None]).to_csv(table, index=False)
    with pytest.raises(InputError, match=r"2 of 4 that cannot \(2 unreadable: .*x\.png \(no such"):
        open_data(flat)
    for place in (flat, table):
        data = open_data(place, trainable=False)
        assert list(data.faults) == data.ids[2:].tolist()
        assert data.take(np.arange(2)).pixels().shape == (2, 5, 6, 1)
    LISTED.to_csv(table, index=False)
    with pytest.raises(InputError, match=r"a label column named 'lab' .* Did you mean 'label'"):
        open_data(flat, label="lab")
    LISTED[:0].to_csv(table, index=False)
    with pytest.raises(InputError, match="at least one row"):
        open_data(flat)


def test_unusable_folders_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"images or sounds in .*/CLASS/; got none\. Check .* \.png"
    ):
        open_data(tmp_path)
    write(tmp_path / "train", NAMES)
    with pytest.raises(InputError, match=r"got images in deeper folders .*cat\)\. Pass .*/train"):
        open_data(tmp_path)
    write(tmp_path / "train" / "cat", (".cache/1.png", "deep/2.png", "deep/3.png", "deep/4.png"))
    with pytest.raises(InputError, match=r"others in deeper folders .*deep\)\. Move them up"):
        open_data(tmp_path / "train")
    shutil.rmtree(tmp_path / "train" / "cat" / ".cache")
    shutil.rmtree(tmp_path / "train" / "cat" / "deep")
    with pytest.raises(InputError, match=r"got images without classes.* labels.csv"):
        open_data(tmp_path / "train" / "cat")
    with pytest.raises(InputError, match=r"a table of labels .* for the label 'y'; got none"):
        open_data(tmp_path / "train", label="y")
    with pytest.raises(InputError, match="columns for the text column 't'; got the folder"):
        open_data(tmp_path / "train", text_column="t")


HIDDEN = (".ipynb_checkpoints", ".git", "@eaDir", "__MACOSX", "__pycache__", "#recycle", "@EADIR")


def test_folders_of_tools_are_no_classes(tmp_path):
    write(tmp_path, NAMES)
    for name in HIDDEN:
        write(tmp_path / name, ["1.png", "2.png", "deep/deeper/3.png", "4.png"])
        write(tmp_path / "cat" / name, ["1.png", "2.png", "deep/3.png", "4.png"])
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", ".hidden.png"):
        (tmp_path / "dog" / name).write_bytes(b"x")
    data = open_data(tmp_path)
    assert data.labels.names == ["cat", "dog"]
    assert [name[-9:] for name in data.files] == NAMES
    assert data.notes == ()


def test_other_files_are_counted_in_a_note(tmp_path):
    write(tmp_path, NAMES)
    for name in ("cat/1.heic", "dog/2.HEIC", "dog/3.svg", "cat/README", "cat/4.nef"):
        (tmp_path / name).write_bytes(b"x")
    Image.fromarray(IMAGES[0]).save(tmp_path / "beside.png")
    (tmp_path / "README.md").write_text("what this is")
    first, second = open_data(tmp_path).notes
    assert first.startswith("5 files were left out as no image that can be read here (2 .heic, ")
    assert all(part in first for part in ("1 .nef", "1 .svg", "1 no ending", "pillow-heif"))
    assert second == "1 images beside the folders of classes, such as 'beside.png', were left out."


FORMATS = {
    **dict.fromkeys((".jfif", ".jpe", ".JPEG", ".jpg"), "JPEG"),
    **{".avif": "AVIF", ".jp2": "JPEG2000", ".j2k": "JPEG2000", ".webp": "WEBP", ".gif": "GIF"},
    **{".bmp": "BMP", ".tif": "TIFF", ".tga": "TGA", ".pgm": "PPM", ".apng": "PNG"},
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_pillow_reads_is_read(tmp_path, suffix):
    if suffix.lower() not in readable_suffixes():
        pytest.skip(f"this Pillow does not read {suffix}")
    for name in ("a/1", "a/2", "b/1", "b/2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(IMAGES[0]).save(tmp_path / f"{name}{suffix}", FORMATS[suffix])
    assert open_data(tmp_path).pixels().shape[0] == 4


def test_a_registered_plugin_is_used(tmp_path, monkeypatch):
    write(tmp_path, NAMES)
    (tmp_path / "cat" / "a.png").rename(tmp_path / "cat" / "a.heic")
    monkeypatch.setitem(Image.EXTENSION, ".heic", "PNG")
    data = open_data(tmp_path)
    assert len(data) == 4
    assert data.notes == ()


def test_images_far_below_their_class_are_not_left_out_in_silence(tmp_path):
    write(tmp_path, NAMES)
    write(tmp_path / "cat", ("a/b/c/1.png", "a/b/c/2.png", "a/b/c/3.png", "a/b/c/4.png"))
    with pytest.raises(InputError, match=r"others in deeper folders .*a/b/c\)"):
        open_data(tmp_path)
