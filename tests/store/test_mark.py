"""What Chaffinch wrote is known again, until somebody changes it."""

import os
import shutil

import pytest

from chaffinch.store import mark as module
from chaffinch.store.mark import known, mark, marked


@pytest.fixture(params=["attribute", "file beside"])
def noting(request, monkeypatch, tmp_path):
    if request.param == "file beside":
        monkeypatch.setattr(module, "_set_attribute", lambda *_: False)
        return request.param
    (tmp_path / "probe").write_text("")
    if not module._set_attribute(tmp_path / "probe", "x"):
        pytest.skip("no extended attributes here")
    (tmp_path / "probe").unlink()
    return request.param


def test_a_file_is_known_until_it_is_changed(noting, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("ours")
    assert not marked(file)
    mark(file)
    assert marked(file)
    assert (noting == "attribute") == ([file] == [*tmp_path.iterdir()])
    os.utime(file, (0, 0))  # its content counts
    assert marked(file)
    file.write_text("theirs")
    assert known(file)
    assert not marked(file)


@pytest.mark.parametrize("change", ["added", "removed", "other", "deep"])
def test_a_folder_is_known_until_anything_in_it_changes(noting, tmp_path, change):
    place = tmp_path / "clean"
    for name in ("a/1.png", "b/2.png", "b/.hidden"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)
    mark(place)
    assert marked(place)
    if change == "added":
        (place / "notes.txt").write_text("mine")
    if change == "removed":
        (place / "b/.hidden").unlink()
    if change == "other":
        (place / "a/1.png").write_text("A/1.png")
    if change == "deep":
        (place / "c" / "d").mkdir(parents=True)
    assert not marked(place)


def test_a_mark_that_is_damaged_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_set_attribute", lambda *_: False)
    file = tmp_path / "a"
    file.write_text("ours")
    mark(file)
    for content in (b"", b"[]", b'{"state": 3}', b"\\xff"):
        module._note(file).write_bytes(content)
        assert not marked(file)
    shutil.rmtree(tmp_path / ".chaffinch")
    (tmp_path / ".chaffinch").write_text("a file in the way")
    mark(file)
    assert not known(file)
