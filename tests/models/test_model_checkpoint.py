import numpy as np
import pytest
import torch
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.models.checkpoint import find_checkpoints, load_checkpoint


def test_numbers_in_names_are_sorted_as_numbers(tmp_path):
    names = ["e2-s10.pt", "e10-s1.pt", "e2-s9.pt", "e1.pt", "last.pt", "e010-s1.pt"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "note.txt").touch()
    found = [path.name for path in find_checkpoints(str(tmp_path / "*.pt"))]
    assert found[:3] == ["e1.pt", "e2-s9.pt", "e2-s10.pt"]
    assert set(found[3:5]) == {"e10-s1.pt", "e010-s1.pt"}
    assert found[5] == "last.pt"


def test_folders_are_searched(tmp_path):
    for name in ("run/epoch-10/a.pt", "run/epoch-9/a.pt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    found = find_checkpoints(str(tmp_path / "**" / "*.pt"))
    assert [path.parent.name for path in found] == ["epoch-9", "epoch-10"]


def test_a_pattern_that_matches_nothing(tmp_path):
    with pytest.raises(InputError, match=r"checkpoints that match '.*\*.pt'; got none. Check the"):
        find_checkpoints(str(tmp_path / "*.pt"))


def plain(state):
    return state


def wrapped(key):
    return lambda state: {key: state, "epoch": 3}


@pytest.mark.parametrize(
    "wrap",
    [plain, wrapped("state_dict"), wrapped("model_state_dict"), wrapped("model")],
    ids=["plain", "state_dict", "model_state_dict", "model"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_is_loaded_plain_or_wrapped(tmp_path, wrap, zipped):
    saved, model = nn.Linear(2, 3), nn.Linear(2, 3)
    path = tmp_path / "a.pt"
    torch.save(wrap(saved.state_dict()), path, _use_new_zipfile_serialization=zipped)
    load_checkpoint(model, path)
    assert torch.equal(model.weight, saved.weight)
    assert torch.equal(model.bias, saved.bias)


def test_a_part_of_the_net_that_is_called_model_is_no_wrapper(tmp_path):
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Linear(2, 3)

    saved, model = Outer(), Outer()
    torch.save(saved.state_dict(), tmp_path / "a.pt")
    load_checkpoint(model, tmp_path / "a.pt")
    assert torch.equal(model.model.weight, saved.model.weight)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (nn.Linear(3, 3).state_dict(), "fits Linear .*size mismatch for weight.*Give the --model"),
        (nn.Sequential(nn.Linear(2, 3)).state_dict(), "fits Linear .*Missing key"),
        ({"epoch": 3}, "fits Linear .*Missing key"),
        ([1, 2], "fits Linear"),
        (torch.ones(2), "fits Linear"),
    ],
    ids=["shape", "names", "no weights", "list", "tensor"],
)
def test_a_checkpoint_of_another_model(tmp_path, content, words):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(InputError, match=words):
        load_checkpoint(nn.Linear(2, 3), tmp_path / "a.pt")


def test_a_whole_pickled_model_is_not_run(tmp_path):
    torch.save(nn.Linear(2, 3), tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"state dict in .*Save it with torch.save\(model.state_d"):
        load_checkpoint(nn.Linear(2, 3), tmp_path / "a.pt")


def garbage():
    random = np.random.default_rng(0)
    texts = [random.integers(32, 127, n).astype(np.uint8).tobytes() for n in range(40)]
    binary = [random.integers(0, 256, n).astype(np.uint8).tobytes() for n in range(40)]
    return [*texts, *binary, b"PK\x03\x04 not a zip after all", b"\x80\x02."]


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "a.pt"
    for content in garbage():
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a checkpoint with a state dict in .*a\.pt; got"):
            load_checkpoint(nn.Linear(2, 3), path)


@pytest.mark.parametrize("zipped", [True, False])
def test_files_that_are_cut_off(tmp_path, zipped):
    path = tmp_path / "a.pt"
    torch.save(nn.Linear(2, 3).state_dict(), path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 30, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"a.pt; got .*Save it with torch.save"):
            load_checkpoint(nn.Linear(2, 3), path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.pt; got FileNotFoundError"):
        load_checkpoint(nn.Linear(2, 3), tmp_path / "none.pt")
