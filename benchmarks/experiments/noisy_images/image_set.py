"""Images with human labels: CIFAR-10N and CIFAR-100N (Wei et al., ICLR 2022)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Sizes, need_file
from benchmarks.data.split import stratified_order
from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes

FILES = {
    "cifar10n_16k": "cifar10n_16k.npz",
    "cifar10n": "cifar10n.npz",
    "cifar100n": "cifar100n.npz",
}
"""Files in the data folder, by name of a set. Each holds ``x_train`` and ``x_test`` (bytes, NHWC),
``y_clean`` and ``y_test``, and one array of human labels for each of its sorts of noise."""

NOISES = {
    "aggregate": "y_aggre",
    "worst": "y_worse",
    "random1": "y_random1",
    "random2": "y_random2",
    "random3": "y_random3",
    "noisy": "y_noisy",
}
"""Arrays of human labels, by sort of noise: the majority of three people, a wrong one of the three
where there is one, the first to third of them, and the only one (CIFAR-100N)."""


@dataclass(frozen=True, eq=False)
class NoisySplits:
    """Training, validation and test images; the first two share none.

    Attributes:
        train: (N, H, W, 3) bytes.
        given: (N,) human labels.
        truth: (N,) right classes.
        validation: Images and right classes, left out of training.
        test: Images and right classes of the test part.
        num_classes: C.
    """

    train: NDArray[np.uint8]
    given: Codes
    truth: Codes
    validation: tuple[NDArray[np.uint8], Codes]
    test: tuple[NDArray[np.uint8], Codes]
    num_classes: int


def draw_images(name: str, noise: str, seed: int, sizes: Sizes) -> NoisySplits:
    """Draw images; each part has the right classes in the proportions of the set.

    Args:
        name: Of the set, in `FILES`.
        noise: Sort of noise, in `NOISES`.
        seed: Decides which images are drawn and how.
        sizes: Of the parts; a training or test size of 0 stands for all that there are.

    Raises:
        InputError: An unknown or absent set, labels that it does not have, or too few images.
    """
    if name not in FILES:
        raise InputError(f"one of {', '.join(FILES)}", repr(name), "Choose one of these sets")
    with np.load(need_file(FILES[name])) as arrays:
        known = [one for one, key in NOISES.items() if key in arrays]
        if noise not in known:
            raise InputError(
                f"a sort of noise of {name}: {', '.join(known)}", repr(noise), "Choose another"
            )
        clean = arrays["y_clean"].astype(np.int64)
        given = arrays[NOISES[noise]].astype(np.int64)
        images, test_images = arrays["x_train"], arrays["x_test"]
        test_codes = arrays["y_test"].astype(np.int64)
    num_train = sizes.train or len(clean) - sizes.validation
    num_test = sizes.test or len(test_codes)
    if num_train + sizes.validation > len(clean) or num_test > len(test_codes):
        raise InputError(
            f"{num_train + sizes.validation:,} training and {num_test:,} test images in {name}",
            f"{len(clean):,} and {len(test_codes):,}",
            "Choose smaller sizes",
        )
    order = stratified_order(clean, seed, "noisy images")
    rows, held = np.split(order[: num_train + sizes.validation], [num_train])
    tested = stratified_order(test_codes, seed, "test images")[:num_test]
    return NoisySplits(
        images[rows],
        given[rows],
        clean[rows],
        (images[held], clean[held]),
        (test_images[tested], test_codes[tested]),
        int(clean.max()) + 1,
    )
