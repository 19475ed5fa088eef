"""The Lightning callback: the same records and weights as a plain loop, and checkpoints."""

import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from watch_twin import make_data, make_net

import chaffinch as cf
from chaffinch.core.errors import InputError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    lightning = pytest.importorskip("lightning.pytorch")

from chaffinch.training.adapters.lightning import WatchCallback

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own advice

X, Y = make_data(20, dtype=torch.float32)


class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = make_net(dtype=torch.float32)

    def training_step(self, batch, number):
        ids, x, y = batch
        return self.watch.loss(self.net(x), y, ids)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.5)


def fit(folder, epochs, checkpoint=None, **options):
    module, callback = Net(), WatchCallback(20, **options)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[callback],
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    loader = DataLoader(cf.with_ids(TensorDataset(X, Y)), batch_size=8)
    trainer.fit(module, loader, ckpt_path=checkpoint)
    return module, callback.watch, trainer


def test_as_a_plain_loop_and_resumed(tmp_path):
    model = make_net(dtype=torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    with cf.watch(model, 20) as plain:
        for _ in range(4):
            for ids in torch.arange(20).split(8):
                optimizer.zero_grad()
                plain.loss(model(X[ids]), Y[ids], ids).backward()
                optimizer.step()
    module, watch, _ = fit(tmp_path, 4)
    assert watch.epoch == 4
    for name in ("loss", "gradient_norm", "logits"):
        np.testing.assert_allclose(watch.history(name), plain.history(name), rtol=1e-5, atol=1e-6)
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in module.net.modules())

    _, first, trainer = fit(tmp_path, 2)
    assert first.epoch == 2
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    _, second, _ = fit(tmp_path, 4, tmp_path / "two.ckpt")
    np.testing.assert_array_equal(second.history("loss"), watch.history("loss"))


def test_a_taken_name_is_refused(tmp_path):
    module = Net()
    module.watch = 3
    with pytest.raises(InputError, match="an attribute 'watch' of its own; got int"):
        WatchCallback(20).setup(None, module, "fit")
