import pytest

from benchmarks.catalogue import load_catalogue
from benchmarks.data import NAMES
from benchmarks.engine.suite import open_suite
from benchmarks.experiments.detection.settings import Settings
from benchmarks.method import choose_methods
from benchmarks.nets import MODELS
from chaffinch.corruptions import CORRUPTIONS


@pytest.mark.parametrize("name", ["signals", "ablations"])
def test_every_block_names_what_there_is_at_both_sizes(name):
    load_catalogue()
    suite = open_suite(name)
    for block in [*suite.cells, *(one.at_full_size() for one in suite.cells)]:
        assert set(block.data) <= set(NAMES)
        assert set(block.model) <= set(MODELS)
        assert set(block.glitch) <= set(CORRUPTIONS)
        assert choose_methods(block.methods)
        first = {key: values[0] for key, values in block.vary.items()}
        Settings.of(block.settings | first)
    used = {one for block in suite.cells for one in block.data} - {"digits"}
    assert used <= set(suite.needs)


def test_the_published_study_is_run_under_both_protocols():
    blocks = [one for one in open_suite("signals").cells if "paper" in one.protocol]
    assert blocks
    for block in blocks:
        assert set(block.protocol) == {"paper", "corrected"}
        assert "paper" in block.methods
