import builtins
import hashlib
from importlib import import_module
from typing import ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from chaffinch.core.errors import InputError, MissingExtraError, RunError
from chaffinch.store.artifact import ArtifactStore


class Server(MemoryFileSystem):
    """Stands for a server of files, which knows folders, and as a bucket of one of objects."""

    protocol = ("far",)
    store: ClassVar = {}
    pseudo_dirs: ClassVar = [""]
    fails = None

    def pipe_file(self, path, value, **more):
        if self.fails is not None:
            raise self.fails
        if "typo" in path:
            raise FileNotFoundError("The specified bucket does not exist")
        super().pipe_file(path, value, **more)

    def cat_file(self, path, **more):
        if self.fails is not None:
            raise self.fails
        return super().cat_file(path, **more)

    def info(self, path, **more):
        if self.fails is not None:
            raise self.fails
        return super().info(path, **more)


class Bucket(Server):
    protocol = ("s3",)
    made: ClassVar = []

    def makedirs(self, path, exist_ok=False):
        self.made.append(path)


REGISTRY = import_module("fsspec.registry")._registry


@pytest.fixture(autouse=True)
def servers(monkeypatch):
    for one in (Server, Bucket):
        monkeypatch.setitem(REGISTRY, one.protocol[0], one)
        one.clear_instance_cache()


@pytest.fixture(params=["folder", "server", "bucket"])
def store(request, tmp_path):
    schemes = {"folder": "", "server": "far://", "bucket": "s3://"}
    return ArtifactStore(f"{schemes[request.param]}{tmp_path}/artifacts")


def test_a_bucket_that_is_not_there_is_not_made():
    store = ArtifactStore("s3://typo/path")
    with pytest.raises(InputError, match=r"s3://typo/path; got FileNotFoundError: The specified"):
        store.put(b"content")
    assert Bucket.made == []


@pytest.mark.parametrize("error", [PermissionError("Forbidden"), RuntimeError("no credentials")])
def test_a_server_that_refuses_is_named_with_what_to_check(monkeypatch, error):
    store = ArtifactStore("s3://bucket/path")
    monkeypatch.setattr(Server, "fails", error)
    for work in (lambda: store.put(b"content"), lambda: store.get("0" * 64)):
        with pytest.raises(InputError, match=r"s3://bucket/path; got .*AWS_ACCESS_KEY_ID"):
            work()


@pytest.mark.parametrize("url", ["memory://x", "simplecache::memory://x"])
def test_artifacts_are_kept_in_no_place_that_passes(url):
    with pytest.raises(InputError, match=r"lasts .*CHAFFINCH_ARTIFACTS"):
        ArtifactStore(url)


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
    monkeypatch.delitem(REGISTRY, "s3")
    with pytest.raises(MissingExtraError, match=r"chaffinch\[s3\]"):
        ArtifactStore("s3://bucket/path")
