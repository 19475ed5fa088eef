import numpy as np
import pytest


@pytest.fixture
def image_folder(tmp_path, monkeypatch):
    """A data folder with tiny random images under the names of the real sets."""
    random = np.random.default_rng(0)
    place = tmp_path / "data"
    place.mkdir()
    for name, classes, noises in (
        ("cifar10n_16k", 4, ("aggre", "worse")),
        ("cifar10n", 4, ("aggre", "worse", "random1", "random2", "random3")),
        ("cifar100n", 6, ("noisy",)),
    ):
        clean = np.arange(120) % classes
        labels = {}
        for noise in noises:
            wrong = random.random(120) < 0.3
            labels[f"y_{noise}"] = np.where(wrong, (clean + 1) % classes, clean).astype(np.uint8)
        bright = (clean * 40)[:, None, None, None]
        np.savez(
            place / f"{name}.npz",
            x_train=(bright + random.integers(0, 60, (120, 8, 8, 3))).astype(np.uint8),
            y_clean=clean.astype(np.uint8),
            x_test=random.integers(0, 255, (40, 8, 8, 3), dtype=np.uint8),
            y_test=(np.arange(40) % classes).astype(np.uint8),
            **labels,
        )
    monkeypatch.setenv("CHAFFINCH_DATA", str(place))
    return place
