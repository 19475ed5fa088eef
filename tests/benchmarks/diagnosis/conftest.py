import pytest


@pytest.fixture
def value():
    """The value of one metric among measurements; fails unless there is just one."""

    def find(measurements, metric, group=""):
        found = [m.value for m in measurements if (m.metric, m.group) == (metric, group)]
        assert len(found) == 1
        return found[0]

    return find
