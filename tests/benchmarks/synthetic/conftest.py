import numpy as np
import pytest

from benchmarks.experiments.synthetic.draw import draw
from benchmarks.experiments.synthetic.experiment import problem_of
from benchmarks.experiments.synthetic.observe import observe
from benchmarks.experiments.synthetic.stack import Recipe


@pytest.fixture(scope="session")
def problem():
    drawn = draw("moons", "random_flips", 5, (80, 40, 60), seed=4)
    recipe = Recipe(steps=300, rate=0.01, checkpoints=6)
    return problem_of(drawn, "random_flips", 8, recipe, (3, 4))


@pytest.fixture(scope="session")
def situation(problem):
    return observe(problem)


@pytest.fixture(scope="session")
def sigmoid_gradients(problem):
    """(N, B) gradients of the sigmoid net's last layer, one by one, in float64."""
    net = problem.retrain(np.ones((1, len(problem.given)), dtype=np.float32))
    w1, b1, w2, b2, w3 = (part[0].double().numpy() for part in net.parts)
    rows = []
    for x, y in zip(problem.x.astype(np.float64), problem.given, strict=True):
        second = np.maximum(w2 @ np.maximum(w1 @ x + b1, 0) + b2, 0)
        rows.append((1 / (1 + np.exp(-(w3 @ second))) - y) * second)
    return np.stack(rows)
