import numpy as np
import pytest
from planted_images import FAULTS, picture, write_folder


@pytest.fixture(scope="session")
def images():
    random = np.random.default_rng(0)
    return [picture(random) for _ in range(160)]


@pytest.fixture(scope="session")
def planted_folder(tmp_path_factory, images):
    """A folder of 160 images, in which two are planted of every fault; their rows by fault."""
    root = tmp_path_factory.mktemp("planted")
    random, changed, truth = np.random.default_rng(1), list(images), {}
    rows = iter(random.permutation(len(images)).tolist())
    for fault, spoil in FAULTS.items():
        truth[fault] = [next(rows), next(rows)]
        for row in truth[fault]:
            changed[row] = spoil(images[row], random)
    paths = write_folder(root, changed)
    truth["exact_duplicates"] = [next(rows), next(rows)]
    paths[truth["exact_duplicates"][1]].write_bytes(
        paths[truth["exact_duplicates"][0]].read_bytes()
    )
    one, other = truth["near_duplicates"] = [next(rows), next(rows)]
    images[one].resize((44, 44)).resize((48, 48)).save(paths[other])
    truth["unreadable"] = [next(rows)]
    broken = paths[truth["unreadable"][0]]
    broken.write_bytes(broken.read_bytes()[:900])
    return root, {fault: {str(paths[row]) for row in rows} for fault, rows in truth.items()}
