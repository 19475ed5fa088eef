"""Files appear when all of them are whole, and nothing is left of those that failed."""

from pathlib import Path

import pytest

from chaffinch.core.errors import InputError
from chaffinch.store.draft import delivered, free, written


def full(draft, *_):
    if not Path(draft).exists():
        Path(draft).write_text("half")
    raise OSError(28, "No space left on device")


def test_all_files_or_none(tmp_path):
    first, second = tmp_path / "new" / "a.json", tmp_path / "b.xml"
    second.write_text("old")
    with pytest.raises(InputError, match=r"write .*b\.xml; got No space left on device"):
        written({first: lambda draft: draft.write_text("a"), second: full})
    assert second.read_text() == "old"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [second]
    written({place: lambda draft: draft.write_text("new") for place in (first, second)})
    assert (first.read_text(), second.read_text()) == ("new", "new")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2


def test_a_place_is_free_or_refused(tmp_path):
    place = tmp_path / "a"
    free(place, overwrite=False)
    place.write_text("")
    with pytest.raises(InputError, match="that it did not write"):
        free(place, overwrite=True)
    delivered({place: lambda draft: draft.write_text("ours")}, overwrite=True)
    free(place, overwrite=True)
    place.write_text("changed")
    with pytest.raises(InputError, match="changed since"):
        free(place, overwrite=True)
    with pytest.raises(InputError, match=r"no file at .*--overwrite"):
        free(place, overwrite=False)
    with pytest.raises(InputError, match="a folder"):
        free(tmp_path, overwrite=True)
    for url in ("memory://x", Path("s3://bucket/x.csv")):
        with pytest.raises(InputError, match="of this computer"):
            free(Path(url), overwrite=True)


@pytest.mark.parametrize("links", [True, False])
def test_what_appears_meanwhile_is_not_replaced(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr("os.link", full)
    for place in (tmp_path / "a", tmp_path / "b"):
        folder = place.name == "b"

        def late(draft, place=place, folder=folder):
            (place / "x").mkdir(parents=True) if folder else place.write_text("theirs")
            draft.mkdir() if folder else draft.write_text("ours")

        with pytest.raises(InputError, match="nothing at"):
            written({place: late}, overwrite=False)
    assert (tmp_path / "a").read_text() == "theirs"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "x"]
    written({tmp_path / "c": lambda draft: draft.write_text("ours")}, overwrite=False)
    assert (tmp_path / "c").read_text() == "ours"


def test_a_folder_is_swapped_and_files_beside_it_are_left(tmp_path):
    place = tmp_path / "run"
    (place / "old").mkdir(parents=True)
    for name in ("run.replaced", "run.draft", "run.old"):
        (tmp_path / name).write_text("theirs")

    def make(draft):
        draft.mkdir()
        (draft / "new").write_text("")

    written({place: make}, overwrite=True)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "run",
        "run.draft",
        "run.old",
        "run.replaced",
        "run/new",
    ]
