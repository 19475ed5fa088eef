import time
from itertools import combinations, pairwise

import numpy as np
import pytest

from chaffinch.diagnosis.texts import NEAR, NearTexts, read_words, shared_words
from chaffinch.diagnosis.texts import near as module

CITIES = ["Rome", "Oslo", "Lima", "Cairo", "Delhi", "Quito", "Accra", "Minsk", "Sofia", "Hanoi"]
RULES = "Read the question with care and answer it in one short sentence for a guest. {} Thank you."
FILLER = "on this quiet morning we would kindly like to hear from you at length about "


def distinct(texts):
    words = read_words(texts)
    firsts = sorted({key: n for n, key in reversed(list(enumerate(words.keys)))}.values())
    return words.take(np.asarray(firsts))


def drawn(seed, count=120):
    """Sentences, some of them with a word more, another figure, or in another order."""
    random = np.random.default_rng(seed)
    words = ["".join(random.choice(list("abcdefgh"), 5)) for _ in range(60)]
    texts = []
    for _ in range(count):
        one = [*random.choice(words, random.integers(5, 30))]
        texts.append(" ".join(one))
        if random.random() < 0.5:
            kind = random.integers(4)
            if kind == 0:
                one.insert(int(random.integers(len(one))), "kindly")
            elif kind == 1:
                one.append(str(random.integers(9)))
            elif kind == 2:
                one = one[::-1]
            else:
                one[0] = str(random.choice(words))
            texts.append(" ".join(one))
    return distinct(texts)


def all_pairs(words, near):
    """The slow twin: every pair, word by word, in float64."""
    texts = NearTexts(words)
    names = [words.vocabulary[code] for code in range(len(words.vocabulary))]
    rows = [words.row(text).tolist() for text in range(len(words))]
    counts = [sum(code in row for row in rows) for code in range(len(names))]
    weight = [float(np.log((len(rows) + 1) / max(1, count))) for count in counts]
    ends = words.starts
    own = [
        [
            code
            for code, c in zip(rows[t], texts.common[ends[t] : ends[t + 1]], strict=True)
            if not c
        ]
        for t in range(len(rows))
    ]
    found = {}
    for i, j in combinations(range(len(rows)), 2):
        shared = sum(weight[code] for code in set(own[i]) & set(own[j]))
        apart = sum(weight[code] for code in set(rows[i]) ^ set(rows[j]))
        figures = [[c for c in rows[t] if words.meaning[c]] for t in (i, j)]
        both = set(rows[i]) & set(rows[j])
        follows = [
            set(pairwise(kept))
            for t in (i, j)
            for kept in [[code for code in own[t] if code in both]]
        ]
        most = max(map(len, follows))
        ordered = not most or len(follows[0] & follows[1]) >= 0.8 * most
        share = shared / max(shared + apart, 1e-12)
        if share >= near and figures[0] == figures[1] and ordered:
            found[i, j] = share
    return found


@pytest.mark.parametrize("seed", range(4))
def test_no_pair_is_missed(seed):
    words = drawn(seed)
    left, right, shares = NearTexts(words).pairs(NEAR)
    slow = all_pairs(words, NEAR)
    found = dict(zip(zip(left.tolist(), right.tolist(), strict=True), shares, strict=True))
    assert set(found) == set(slow)
    assert len(slow) > 5
    for pair, share in slow.items():
        assert found[pair] == pytest.approx(share)


@pytest.mark.parametrize("cause", ["texts apart", "a name", "a figure", "a negation", "an order"])
def test_what_makes_two_long_prompts_different(cause):
    one = FILLER + "how the keeper of the tower counts ships and bells near Rome before night"
    other = {
        "texts apart": FILLER + "how an actor learns the part of a villain in a play by heart",
        "a name": one.replace("Rome", "Oslo"),
        "a figure": one + " 7",
        "a negation": one.replace("counts", "never counts"),
        "an order": FILLER + "how bells and ships the tower of the keeper counts near Rome night",
    }[cause]
    beside = [f"{word} " * 3 for word in "abcdefghij"]
    left, _, _ = NearTexts(distinct([one, other, *beside])).pairs()
    assert not len(left)
    left, right, shares = NearTexts(distinct([one, one + " now", *beside])).pairs()
    assert (left.tolist(), right.tolist()) == ([0], [1])
    assert NEAR <= shares[0] < 1


@pytest.mark.parametrize("template", ["{}", RULES, "Where is {}?", RULES + " " + RULES])
def test_a_template_makes_no_two_texts_alike(template):
    texts = [template.replace("{}", city.lower()) for city in CITIES]
    near = NearTexts(distinct(texts))
    assert not len(near.pairs()[0])
    if "Read" in template:
        assert {len(one.split()) for one in near.contents()} <= {3, 4}  # the city, and "thank you"


def test_a_run_is_shared_by_texts_not_by_places():
    words = read_words(["a b c d x a b c d", "y a b c d", "a b c", "z z a b c d"])
    mask = shared_words(words, 4, 3)
    kept = [words.vocabulary[code] for code in words.codes[~mask]]
    assert kept == ["x", "y", "a", "b", "c", "z", "z"]
    assert not shared_words(words, 4, 4).any()  # four places, but three texts
    assert not shared_words(read_words([]), 4, 1).any()


def test_many_texts_of_one_kind_are_not_all_compared(monkeypatch):
    looked = []
    relation = NearTexts.shares
    monkeypatch.setattr(
        NearTexts, "shares", lambda s, i, j: looked.append(len(i)) or relation(s, i, j)
    )
    words = distinct([f"the {a} and the {b} by the sea" for a in CITIES for b in range(60)])
    NearTexts(words).pairs()
    # Of a bucket each text is compared with the sixteen before it, in each of twelve places.
    assert sum(looked) <= 12 * module._COMPARED * len(words)


def test_a_thousand_templated_texts_take_no_time():
    texts = distinct([RULES.format(f"How far is town {n} from the sea?") for n in range(1000)])
    begun = time.process_time()
    assert not len(NearTexts(texts).pairs()[0])
    assert time.process_time() - begun < 1
