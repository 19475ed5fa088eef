import pytest
import torch
from torch import nn

from chaffinch.models.defaults import MLP, SmallResNet
from chaffinch.training.threads import threads_for, worth_threads


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("model", "shape", "worth"),
    [
        (MLP(8, 2), (8,), False),
        (nn.Linear(2500, 2500), (2500,), True),
        (SmallResNet((1, 8, 8), 2, width=4), (1, 8, 8), False),
        (SmallResNet((3, 32, 32), 2, width=4), (3, 32, 32), True),
        (MLP(60, 2), (20, 3), False),
        (nn.Identity(), (), False),
    ],
    ids=["table", "large net", "tiny images", "images", "series", "scalars"],
)
def test_small_steps_run_on_one_thread(model, shape, worth):
    assert worth_threads(model, shape) == worth
    with threads_for(model, shape):
        assert torch.get_num_threads() == (2 if worth else 1)
    assert torch.get_num_threads() == 2


def test_the_number_of_threads_is_set_back_after_an_error():
    with pytest.raises(ZeroDivisionError), threads_for(MLP(8, 2), (8,)):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
