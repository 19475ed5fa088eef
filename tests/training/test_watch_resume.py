"""The number of the epoch and all records are right wherever in the loop the state was saved."""

import copy

import numpy as np
import pytest
import torch
from watch_twin import make_data, make_net

import chaffinch as cf
from chaffinch.core.errors import InputError

X, Y = make_data(22)


def run(stop=None, kept=None, drop_last=False, skip=0, told=False):
    """Four epochs; the watch and the numbers of the epochs, or the state saved at ``stop``."""
    model, numbers = make_net(), []
    watch = cf.watch(model, 22)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    if kept is not None:
        model.load_state_dict(kept[0])
        watch.load_state_dict(kept[1])

    def state():
        return copy.deepcopy((model.state_dict(), watch.state_dict()))

    with watch:
        for epoch in watch.epochs(4):
            numbers.append(epoch)
            if stop == (epoch, "start"):
                return state()
            batches = torch.from_numpy(np.random.default_rng(epoch).permutation(22)).split(5)
            for step, ids in enumerate(batches[: 4 if drop_last else 5]):
                if step < skip and epoch == numbers[0]:
                    continue
                loss = watch.loss(model(X[ids]), Y[ids], ids)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if stop == (epoch, "middle") and step == 1:
                    return state()
            if told:
                watch.epoch_end()
            if stop == (epoch, "end"):
                return state()
    return watch, numbers


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("place", ["start", "middle", "end"])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_resumed_watch_ends_like_one_without_a_stop(epoch, place, drop_last):
    options = {"drop_last": drop_last, "told": drop_last and epoch == 0}
    kept = run((epoch, place), **options)
    watch, numbers = run(None, kept, skip=2 if place == "middle" else 0, **options)
    whole, _ = run(None, **options)
    assert numbers == list(range(epoch + (place == "end"), 4))
    for name in ("loss", "margin", "gradient_norm"):
        np.testing.assert_allclose(watch.history(name), whole.history(name), rtol=1e-5)


def test_an_epoch_that_begins_anew_or_is_skipped_is_refused():
    with pytest.raises(InputError, match=r"that were left when the state was saved.*epoch_end"):
        run(None, run((0, "end"), drop_last=True), drop_last=True)
    kept = run((1, "middle"))
    with pytest.raises(InputError, match=r"a call of watch\.loss in epoch 2; got none"):
        run(None, kept, skip=5)


def test_a_watch_that_is_loaded_and_left_has_its_last_epoch():
    kept = run((2, "middle"))
    watch = cf.watch(make_net(), 22)
    watch.load_state_dict(kept[1])
    with watch:
        pass
    assert len(watch.history("loss")) == 3
    assert np.isfinite(watch.history("loss")[2]).sum() == 10
    assert len(watch.findings().table) == 22


def test_a_state_of_another_process_within_an_epoch_is_refused():
    _, state = run((1, "middle"))
    with pytest.raises(InputError, match=r"that of process 3.*in every process"):
        cf.watch(make_net(), 22).load_state_dict({**state, "process": 3})
    _, state = run((1, "start"))
    cf.watch(make_net(), 22).load_state_dict({**state, "process": 3})
