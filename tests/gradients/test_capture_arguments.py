import warnings

import numpy as np
import pytest
import torch
from gradient_truth import agree, check_operations, draw, net, relative_error, squares, truth
from torch import nn
from torch.utils.data import TensorDataset

from chaffinch.core.errors import InputError
from chaffinch.gradients import capture, squared_norms

cross_entropy = nn.CrossEntropyLoss(reduction="none")
X, Y = draw(7, 2, 4, 4), torch.arange(7) % 3


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ("last", ["7.weight", "7.bias"]),
        ("5", ["5.weight", "5.bias"]),
        (["7", "0.weight"], ["0.weight", "7.weight", "7.bias"]),
        ("[05]", ["0.weight", "0.bias", "5.weight", "5.bias"]),
        (nn.Linear, ["5.weight", "5.bias", "7.weight", "7.bias"]),
        ([nn.BatchNorm2d, "7.bias"], ["1.weight", "1.bias", "7.bias"]),
        (lambda name, module: name == "5" and isinstance(module, nn.Linear),
         ["5.weight", "5.bias"]),
    ],
)  # fmt: skip
def test_layers_by_name_glob_type_and_function(layers, names):
    model = net()
    block = capture(model, (X, Y), layers)
    assert list(block) == names
    agree(block.dense(), truth(model, X, Y, cross_entropy, names))


class Reversed(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)
        self.body = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(3)

    def forward(self, x):
        return self.norm(self.head(self.body(x).relu()))


def test_last_is_the_weight_matrix_used_last_not_the_one_registered_last():
    block = capture(Reversed(), (torch.ones(2, 4), torch.zeros(2, dtype=torch.long)), "last")
    assert list(block) == ["head.weight", "head.bias"]


class Wrapped(nn.Module):
    """Takes keywords or several inputs, and returns an output object."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.linear = nn.Linear(4, 3)

    def forward(self, words, mask):
        z = (self.table(words) * mask[..., None]).sum(1)
        return type("Output", (), {"logits": self.linear(z)})()


def test_mappings_tuples_and_datasets():
    model = Wrapped()
    words, mask = torch.arange(20).reshape(5, 4) % 9, (torch.arange(20).reshape(5, 4) % 3 > 0)
    y = np.array([0, 1, 2, 1, 0], dtype=np.int32)
    found = capture(model, ({"words": words, "mask": mask.float()}, y), batch_size=2).dense()
    again = capture(model, ({"words": words.numpy(), "mask": mask.double().numpy()}, y)).dense()
    assert relative_error(again, found) < 1e-6

    class Items(torch.utils.data.Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return {"words": words[i], "mask": mask[i].float()}, int(y[i])

    assert relative_error(capture(model, Items(), batch_size=3).dense(), found) < 1e-6
    data = TensorDataset(X, Y)
    agree(capture(net(), data, batch_size=4).dense(), capture(net(), (X.numpy(), Y)).dense())


class Encoded:
    """Inputs with a ``batch`` method: images with channels last, or sparse rows."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __len__(self):
        return len(self.tensor)

    def batch(self, index):
        rows = self.tensor[index]
        if rows.ndim == 4:
            return rows.contiguous(memory_format=torch.channels_last)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return rows.to_sparse_csr()


def test_encoded_inputs():
    model = net()
    found = capture(model, (Encoded(X), Y.numpy()), batch_size=3).dense()
    agree(found, truth(model, X, Y, cross_entropy))
    rows = draw(5, 6) * (draw(5, 6, seed=1) > 0)
    linear = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    found = capture(linear, (Encoded(rows), Y[:5]), batch_size=2).dense()
    agree(found, truth(linear, rows, Y[:5], cross_entropy))


def test_empty_data_give_an_empty_block():
    block = capture(net(), (X[:0], Y[:0]))
    agree(block.dense(), truth(net(), X[:0], Y[:0], cross_entropy))
    check_operations(block, block.dense())
    assert squared_norms(net(), (X[:0], Y[:0])).shape == (0,)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_other_element_types(dtype, bound):
    model = net()
    dense = truth(model, X, Y, cross_entropy)
    block = capture(model.to(dtype), (X, Y))
    assert block.dtype == torch.float32
    assert (block.dense() - dense).norm() < bound * dense.norm()
    stored = capture(model.float(), (X, Y), dtype=torch.bfloat16)
    assert {piece.like.dtype for piece in stored.pieces.values()} == {torch.bfloat16}


def test_targets_that_are_probabilities():
    soft = draw(7, 3).softmax(1)
    agree(capture(net(), (X, soft)).dense(), truth(net(), X, soft, cross_entropy))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda m: capture(m, X), r"pair \(X, y\)"),
        (lambda m: capture(m, (X, Y[:3])), "3 for 7"),
        (lambda m: capture(m, [(X, Y, Y)]), r"pair \(X, y\)"),
        (lambda m: capture(m, torch.utils.data.DataLoader(TensorDataset(X, Y))), "DataLoader"),
        (lambda m: capture(m, TensorDataset(X, Y, Y)), r"pairs \(x, y\)"),
        (lambda m: capture(m, (X, Y), "9"), "Its layers: 0, 1, 2"),
        (lambda m: capture(m, (X, Y), nn.Conv3d), "Conv3d"),
        (lambda m: capture(m, (X, Y), nn.ReLU), "trainable parameters"),
        (lambda m: capture(m.requires_grad_(False), (X, Y)), "requires_grad"),
        (lambda m: capture(m, (X, Y), batch_size=0), "batch size"),
        (lambda m: capture(m, (X, Y), form="sparse"), "auto, factored or dense"),
        (lambda m: capture(m, (X, Y + 1)), "codes 0 to 2"),
        (lambda m: capture(m, (X, Y.float())), "targets"),
        (lambda m: capture(m, (X, Y), loss=nn.CrossEntropyLoss()), "reduction='none'"),
        (lambda m: capture(m[:-1], (X, Y), loss=lambda z, y: z), "one loss for each"),
        (lambda m: capture(m[:1], (X, Y)), "Pass loss="),
        (lambda m: capture(nn.Flatten(), (X, Y)), "trainable parameters"),
    ],
)
def test_errors_say_what_to_do(act, words):
    with pytest.raises(InputError, match=words):
        act(net())


@pytest.mark.parametrize("size", [2, 64])
@pytest.mark.parametrize("at", [0, 5])
def test_a_loss_that_is_not_finite_names_the_sample(at, size):
    x = X.clone()
    x[at, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match=f"nan for the sample at position {at}"):
        capture(net(), (x, Y), batch_size=size)
    with pytest.raises(InputError, match=f"position {at}"):
        squared_norms(net(), (x, Y), batch_size=size)


def test_losses_of_any_kind():
    model = net()
    agree(capture(model, (X, draw(7)), loss=squares).dense(), truth(model, X, draw(7), squares))
