import builtins
import hashlib

import pytest

from chaffinch.core.errors import InputError, MissingExtraError, RunError
from chaffinch.store.artifact import ArtifactStore


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    if request.param == "folder":
        return ArtifactStore(tmp_path / "artifacts")
    return ArtifactStore(f"memory://{tmp_path.name}")


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 999])
def test_what_is_put_is_got_under_its_hash(store, content):
    name = store.put(content)
    assert name == hashlib.sha256(content).hexdigest()
    assert store.put(content) == name
    assert store.get(name) == content


def test_what_was_never_put_is_an_error(store):
    with pytest.raises(RunError, match=r"kept in CHAFFINCH_ARTIFACTS\."):
        store.get("0" * 64)


def test_damage_is_noticed_and_a_file_cut_short_is_written_again(tmp_path):
    store = ArtifactStore(tmp_path)
    name = store.put(b"whole")
    place = tmp_path / name[:2] / name[2:]
    place.write_bytes(b"whale")
    with pytest.raises(RunError, match="damaged"):
        store.get(name)
    place.write_bytes(b"who")
    assert store.put(b"whole") == name
    assert store.get(name) == b"whole"


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    store = ArtifactStore(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chaffinch.store.artifact.os.replace", full)
    with pytest.raises(OSError, match="No space"):
        store.put(b"content")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_url_that_nothing_serves():
    with pytest.raises(InputError, match="fsspec knows"):
        ArtifactStore("nowhere://bucket/path")


def test_s3_without_its_package(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] == "s3fs":
            raise ImportError("no s3fs")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(__import__("sys").modules, "s3fs", raising=False)
    with pytest.raises(MissingExtraError, match=r"chaffinch\[s3\]"):
        ArtifactStore("s3://bucket/path")
