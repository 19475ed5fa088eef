import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.errors import InputError, RunError
from chaffinch.store.artifact import ArtifactStore
from chaffinch.store.content import Contents, Part, Source, describe, keep, restore

FILES = st.dictionaries(
    st.from_regex(r"[a-z]{1,3}/[a-z]{1,3}\.x", fullmatch=True), st.binary(max_size=300), max_size=8
)


def sources(files):
    return [Source(name, lambda made=made: io.BytesIO(made)) for name, made in files.items()]


@given(files=FILES)
def test_folders_come_back_byte_by_byte(files, tmp_path_factory):
    place = tmp_path_factory.mktemp("content")
    store = ArtifactStore(place / "artifacts")
    kept = keep(sources(files), True, store)
    again = Contents.from_json(kept.to_json())
    assert again == kept
    assert describe(sources(files), True).digest == kept.digest
    out = restore(again, store, place / "out")
    found = {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert found == files


def test_a_long_file_comes_back(tmp_path):
    made = bytes(range(251)) * 40_000
    store = ArtifactStore(tmp_path / "artifacts")
    kept = keep(sources({"data.csv": made}), False, store)
    assert len(kept.chunks) > 1
    assert restore(kept, store, tmp_path / "x" / "back.csv").read_bytes() == made


def test_a_second_version_stores_only_what_is_new(tmp_path):
    store = ArtifactStore(tmp_path)
    files = {f"{n}.png": bytes([n]) * 3000 for n in range(9)}
    first = keep(sources(files), True, store)
    assert keep(sources(files), True, store) == first
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == len(set(first.chunks))


def test_nothing_is_replaced_and_nothing_half_is_left(tmp_path):
    store = ArtifactStore(tmp_path / "artifacts")
    kept = keep(sources({"a": b"1", "b": b"2"}), True, store)
    (tmp_path / "there").write_text("mine")
    with pytest.raises(InputError, match="Choose another --out"):
        restore(kept, store, tmp_path / "there")
    assert (tmp_path / "there").read_text() == "mine"
    wrong = Contents(True, (Part("a", 1, "0" * 64), *kept.parts[1:]), kept.chunks)
    with pytest.raises(RunError, match="the bytes of a"):
        restore(wrong, store, tmp_path / "out")
    with pytest.raises(InputError, match="bytes were kept"):
        restore(describe(sources({"a": b"1"}), False), store, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artifacts", "there"]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", ""])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    store = ArtifactStore(tmp_path / "artifacts")
    kept = keep(sources({"a": b"1"}), True, store)
    evil = Contents(True, (Part(name, 1, kept.parts[0].sha256),), kept.chunks)
    with pytest.raises(RunError, match="below the folder"):
        restore(evil, store, tmp_path / "out")
