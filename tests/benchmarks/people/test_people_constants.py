import numpy as np
import pandas as pd

from benchmarks.people.case import Case
from benchmarks.people.constants import OF_ANSWERS, OF_JUDGEMENT, of_answers, of_judgement, page


def made_up(seed=0):
    random = np.random.default_rng(seed)
    right = random.integers(0, 3, 150)
    errors = random.random(150) < 0.1
    codes = np.where(errors, (right + 1) % 3, right)
    p = np.full((150, 3), 0.1, np.float32)
    p[np.arange(150), right] = 0.8
    return Case(codes=codes, errors=errors, right=right, probabilities=p)


def test_every_constant_is_changed_and_put_back_and_the_page_has_all():
    before = [getattr(one.module, one.name) for one in (*OF_JUDGEMENT, *OF_ANSWERS)]
    case = made_up()
    once = list(of_judgement("human", case))
    groups = ("human", "uniform", "systematic", "clean")
    judged = [row | {"group": group} for group in groups for row in once]
    told = pd.DataFrame(of_answers("uniform", case, 1))
    after = [getattr(one.module, one.name) for one in (*OF_JUDGEMENT, *OF_ANSWERS)]
    assert all(one is two for one, two in zip(before, after, strict=True))
    text = page(pd.DataFrame(judged), told, [10])
    for constant in (*OF_JUDGEMENT, *OF_ANSWERS):
        assert f"(`{constant.name}`)" in text
    lines = [line for line in text.splitlines() if line.startswith("| ") and "**" in line]
    assert len(lines) == len(OF_JUDGEMENT) + len(OF_ANSWERS)
    assert "over 4 sets" in text
