import sys

import pytest
import torch
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.models.defaults import MLP, BagOfTerms, SmallResNet
from chaffinch.models.factory import default_factory, factory_from, make_model, source_of


@pytest.fixture(autouse=True)
def _imports_as_before(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("modality", "shape", "kind"),
    [
        ("table", (7,), MLP),
        ("text", (7,), BagOfTerms),
        ("image", (3, 8, 8), SmallResNet),
        ("array", (1, 8, 8), SmallResNet),
        ("array", (4, 6), MLP),
    ],
)
def test_the_default_fits_the_data(modality, shape, kind):
    make = default_factory(modality, shape, 5)
    model = make()
    assert type(model) is kind
    assert model.eval()(torch.zeros(2, *shape)).shape == (2, 5)
    assert make() is not model


def test_an_instance_is_copied_as_it_is_now():
    model = nn.Linear(2, 2)
    start = model.weight.detach().clone()
    make = factory_from(model, (2,), 2)
    with torch.no_grad():
        model.weight.zero_()
    first = make()
    assert torch.equal(first.weight, start)
    with torch.no_grad():
        first.weight.zero_()
    assert torch.equal(make().weight, start)


def build_all(num_classes, input_shape):
    return nn.Linear(input_shape[0], num_classes)


def test_a_function_gets_the_arguments_that_it_names():
    assert factory_from(build_all, (3,), 4)().weight.shape == (4, 3)
    assert factory_from(lambda num_classes: nn.Linear(9, num_classes), (3,), 4)().out_features == 4
    assert factory_from(lambda input_shape: nn.Linear(*input_shape, 9), (3,), 4)().in_features == 3
    assert factory_from(lambda: nn.Linear(1, 9), (3,), 4)().out_features == 9
    assert factory_from(lambda width=6: nn.Linear(width, 2), (3,), 4)().in_features == 6


def test_a_class_is_a_function_too():
    class Net(nn.Linear):
        def __init__(self, num_classes):
            super().__init__(5, num_classes)

    assert factory_from(Net, (5,), 3)().out_features == 3


def test_a_factory_makes_a_fresh_model_each_time():
    make = factory_from(build_all, (3,), 4)
    torch.manual_seed(1)
    first = make()
    torch.manual_seed(1)
    assert torch.equal(first.weight, make().weight)
    assert not torch.equal(first.weight, make().weight)


def test_a_model_made_under_a_seed_is_always_the_same():
    torch.manual_seed(9)
    before = torch.get_rng_state()
    first, again, other = (make_model(lambda: nn.Linear(3, 3), seed) for seed in (1, 1, 2))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    assert torch.equal(torch.get_rng_state(), before)


def write(folder, width, name="net.py"):
    folder.mkdir(exist_ok=True)
    (folder / f"{name.removesuffix('.py')}_beside.py").write_text(f"WIDTH = {width}\n")
    (folder / name).write_text(
        "from dataclasses import dataclass\n"
        "from torch import nn\n"
        f"from {name.removesuffix('.py')}_beside import WIDTH\n"
        "@dataclass\nclass Option:\n    width: int = WIDTH\n"
        "def build(num_classes):\n    return nn.Linear(Option().width, num_classes)\n"
        "number = 3\n"
        "def wrong():\n    return 'a model'\n"
    )
    return folder / name


def test_a_function_in_a_file(tmp_path):
    path = write(tmp_path / "a", 7)
    assert factory_from(f"{path}:build", (7,), 3)().weight.shape == (3, 7)


def test_a_relative_path(tmp_path, monkeypatch):
    write(tmp_path / "a", 7)
    monkeypatch.chdir(tmp_path / "a")
    assert factory_from("net.py:build", (7,), 3)().in_features == 7


def test_a_file_that_bears_the_name_of_a_module_that_is_loaded(tmp_path):
    # Twice "net.py", and once the name of a part of the standard library.
    content = "from torch import nn\ndef build():\n    return nn.Linear({}, 2)\n"
    widths = {"a/net.py": 3, "b/net.py": 4, "b/json.py": 5}
    for name, width in widths.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content.format(width))
    for name, width in widths.items():
        assert factory_from(f"{tmp_path / name}:build", (1,), 2)().in_features == width


def test_a_function_in_a_module(tmp_path, monkeypatch):
    write(tmp_path / "a", 7, "chaffinch_test_net.py")
    monkeypatch.syspath_prepend(str(tmp_path / "a"))
    assert factory_from("chaffinch_test_net:build", (7,), 3)().in_features == 7


def test_the_file_behind_a_name_is_known(tmp_path):
    path = write(tmp_path, 7)
    assert source_of(f"{path}:build") == path
    assert source_of(f"{tmp_path}/none.py:build") is None
    assert source_of("chaffinch.models.defaults:MLP").name == "defaults.py"
    for nothing in ("no_such_module:build", "no_such.module:build", "sys:exit", ":build"):
        assert source_of(nothing) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("build", "--model as MODULE:FACTORY; got 'build'. For example mynet.py:build"),
        ("net.py:", "--model as MODULE:FACTORY"),
        (":build", "--model as MODULE:FACTORY"),
        ("{folder}/none.py:build", "a file at .*none.py; got none. Check the path of --model"),
        ("no_such_module:build", "importable factory .*No module named 'no_such_module'"),
        ("{folder}/net.py:bild", "importable factory .*no attribute 'bild'. Run where"),
        ("{folder}/net.py:number", "a callable '.*net.py:number'; got int. Name a function"),
    ],
)
def test_names_that_name_no_factory(tmp_path, name, words):
    write(tmp_path, 7)
    with pytest.raises(InputError, match=words):
        factory_from(name.format(folder=tmp_path), (7,), 3)


def test_a_factory_that_makes_no_model(tmp_path):
    path = write(tmp_path, 7)
    make = factory_from(f"{path}:wrong", (7,), 3)
    with pytest.raises(InputError, match=r"returns an nn\.Module; got str from '.*net\.py:wrong'"):
        make()
