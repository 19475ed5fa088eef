"""What sounds and series are to a network: encoders, augmentation, default models, canaries."""

import numpy as np
import pytest
import torch

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.models.defaults import SeriesNet
from chaffinch.models.encoding import SeriesEncoder, SpectrogramEncoder
from chaffinch.models.factory import default_factory
from chaffinch.models.inputs import DenseInputs
from chaffinch.pipeline.canaries import make_canaries
from chaffinch.training.augmentation import shift_and_mask


def test_spectrograms_are_standardised_band_by_band():
    random = np.random.default_rng(0)
    given = random.normal(size=(20, 4, 30)) * [[[1], [5], [0.1], [0]]] + [[[3], [-9], [0], [2]]]
    encoder = SpectrogramEncoder(given)
    made = encoder.encode(given).tensor
    assert made.shape == (20, 1, 4, 30)
    assert made.dtype == torch.float32
    torch.testing.assert_close(made.mean((0, 1, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    spread = made.std((0, 1, 3), correction=0)
    torch.testing.assert_close(spread, torch.tensor([1.0, 1, 1, 0]), atol=1e-5, rtol=0)
    one = encoder.encode(given[:1] + 1).tensor
    torch.testing.assert_close((one - made[:1])[0, 0, 1], torch.full((30,), 0.2), rtol=0.05, atol=0)


def test_series_are_standardised_by_their_own_steps_alone():
    values = np.zeros((3, 2, 5), np.float32)
    values[:, 0, :4], values[:, 1, :4] = [1, 2, 3, 4], [10, 20, 30, 40]
    own = np.ones((3, 5), bool)
    own[:, 4] = False
    made = SeriesEncoder(values, own).encode(values, own).tensor
    assert made.shape == (3, 3, 5)  # with the indicator of a series' own steps
    torch.testing.assert_close(made[:, 0], made[:, 1])
    torch.testing.assert_close(made[:, 2], torch.tensor([1.0, 1, 1, 1, 0]).expand(3, 5))
    assert made[:, :2, 4].abs().max() == 0
    torch.testing.assert_close(made[:, 0, :4].mean(), torch.tensor(0.0))
    whole = SeriesEncoder(values, np.ones_like(own)).encode(values, np.ones_like(own))
    assert whole.shape == (2, 5)


@pytest.mark.parametrize("steps", [1, 5, 40, 300])
def test_the_default_network_of_series_takes_any_length(steps):
    model = default_factory("series", (3, steps), 4)()
    assert isinstance(model, SeriesNet)
    assert model.eval()(torch.zeros(2, 3, steps)).shape == (2, 4)


def test_augmentation_shifts_in_time_and_blanks_spans():
    torch.manual_seed(0)
    ramp = torch.arange(1.0, 65).expand(200, 1, 24, 64)
    made = shift_and_mask(ramp)
    assert made.shape == ramp.shape
    torch.testing.assert_close(ramp, torch.arange(1.0, 65).expand(200, 1, 24, 64))
    blank = made == 0
    frames, bands = blank.all(2)[:, 0].sum(1), blank.all(3)[:, 0].sum(1)
    assert 0 < frames.max() <= 8
    assert 0 < bands.max() <= 3
    assert frames.min() == bands.min() == 0
    shifts = {
        int(torch.mode((one - ramp[0, 0])[one > 0]).values) for one in made[:, 0] if (one > 0).any()
    }
    assert min(shifts) == -6
    assert max(shifts) == 6
    with pytest.raises(InputError, match="spectrograms of shape"):
        shift_and_mask(ramp[0])


def test_canaries_of_series_keep_their_values_and_lose_their_order():
    random = np.random.default_rng(0)
    series = torch.from_numpy(np.cumsum(random.normal(size=(600, 2, 48)), axis=2)).float()
    canaries = make_canaries(DenseInputs(series), Labels.of([0, 1] * 300), seed=0)
    made = canaries.inputs.tensor
    assert made.shape[1:] == (2, 48)
    for row in np.flatnonzero(canaries.kinds != "mislabelled"):
        before = series[int(canaries.sources[row])]
        for one, other in zip(made[row], before, strict=True):
            torch.testing.assert_close(one.sort().values, other.sort().values)
        assert not torch.equal(made[row], before)
    flips = np.flatnonzero(canaries.kinds == "mislabelled")
    jumps = made[flips].diff(dim=2).abs().mean()
    assert jumps < series.diff(dim=2).abs().mean()  # means of two, not steps of either
