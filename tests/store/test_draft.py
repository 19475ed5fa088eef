"""Files appear when all of them are whole, and nothing is left of those that failed."""

import pytest

from chaffinch.core.errors import InputError
from chaffinch.store.draft import free, written


def full(draft):
    draft.write_text("half")
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
    free(place, overwrite=True)
    with pytest.raises(InputError, match=r"no file at .*--overwrite"):
        free(place, overwrite=False)
    with pytest.raises(InputError, match="a folder"):
        free(tmp_path, overwrite=True)
