import numpy as np
import pandas as pd

from benchmarks.people.case import Case
from benchmarks.people.constants import OF_ANSWERS, OF_JUDGEMENT, of_answers, of_judgement, page


def made_up(seed=0):
    random = np.random.default_rng(seed)
    right = random.integers(0, 3, 300)
    errors = random.random(300) < 0.1
    codes = np.where(errors, (right + 1) % 3, right)
    p = np.full((300, 3), 0.1, np.float32)
    p[np.arange(300), right] = 0.8
    return Case(codes=codes, errors=errors, right=right, probabilities=p)


def test_every_constant_is_changed_and_put_back_and_the_page_has_all():
    before = [getattr(one.module, one.name) for one in (*OF_JUDGEMENT, *OF_ANSWERS)]
    case = made_up()
    judged = [row for group in ("human", "uniform", "clean") for row in of_judgement(group, case)]
    judged += [row | {"group": "systematic"} for row in judged if row["group"] == "uniform"]
    told = pd.DataFrame(of_answers("uniform", case, 1))
    after = [getattr(one.module, one.name) for one in (*OF_JUDGEMENT, *OF_ANSWERS)]
    assert all(one is two for one, two in zip(before, after, strict=True))
    text = page(pd.DataFrame(judged), told, [10])
    for constant in (*OF_JUDGEMENT, *OF_ANSWERS):
        assert f"(`{constant.name}`)" in text
    lines = [line for line in text.splitlines() if line.startswith("| ") and "**" in line]
    assert len(lines) == len(OF_JUDGEMENT) + len(OF_ANSWERS)
    assert "over 4 sets" in text
