import datasets
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.tasks.tokens import (
    Span,
    corrected,
    held_out,
    judge_tokens,
    read_tagged,
    spans_of,
    table_of,
    tags_of,
)
from chaffinch.tasks.tokens.verdict import Verdict, differing

PEOPLE = ["Ann Lee", "Bob Stone", "Eve Moor", "Max Frost", "Ida Hill", "Tom Reed"]
PLACES = ["Rome", "Oslo", "Lima", "New York", "Kyoto", "Bern"]
PHRASES = ["{p} lives in {l} .", "yesterday {p} flew to {l} with us", "in {l} we met {p} again ."]


def made(number=240, seed=0):
    """Sentences with a person and a place each, and their tags."""
    random = np.random.default_rng(seed)
    sentences, tags = [], []
    for _ in range(number):
        words, given = [], []
        for word in str(random.choice(PHRASES)).split():
            names = {"{p}": (PEOPLE, "person"), "{l}": (PLACES, "place")}.get(word)
            parts = [word] if names is None else str(random.choice(names[0])).split()
            words += parts
            given += (
                ["O"] if names is None else tags_of([Span(0, len(parts), names[1])], len(parts))
            )
        sentences.append(words)
        tags.append(given)
    return sentences, tags


def with_error(tags, kind):
    spans = spans_of(tags)
    person = next(one for one in spans if one.type == "person")
    rest = [one for one in spans if one != person]
    new = {
        "wrong_type": [Span(person.start, person.end, "place")],
        "missed_entity": [],
        "wrong_boundary": [Span(person.start, person.end - 1, "person")],
        "invented_entity": [person],
    }[kind]
    if kind == "invented_entity":
        free = next(i for i, tag in enumerate(tags) if tag == "O")
        new = [person, Span(free, free + 1, "place")]
    return tags_of(sorted([*rest, *new]), len(tags))


def spoiled(each=4):
    sentences, tags = made()
    kinds = ["wrong_type", "missed_entity", "wrong_boundary", "invented_entity"]
    errors = {row: kinds[row % 4] for row in range(4 * each)}
    given = [with_error(one, errors[row]) if row in errors else one for row, one in enumerate(tags)]
    return sentences, tags, given, errors


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(["a", "b-c"])), max_size=5
    )
)
def test_spans_and_tags_are_each_others_inverse(parts):
    spans, at = [], 0
    for gap, length, kind in parts:
        spans.append(Span(at + gap, at + gap + length, kind))
        at += gap + length
    assert spans_of(tags_of(spans, at + 1)) == spans


@given(
    st.one_of(st.none(), st.tuples(st.integers(0, 4), st.integers(1, 3))),
    st.one_of(st.none(), st.tuples(st.integers(0, 4), st.integers(1, 3))),
    st.booleans(),
)
def test_the_tokens_of_a_verdict_are_those_whose_tags_change(one, other, same):
    first, second = (
        None if ends is None else Span(ends[0], ends[0] + ends[1], kind)
        for ends, kind in ((one, "a"), (other, "a" if same else "b"))
    )
    if first == second or (first is None and second is None):
        return
    if first is not None and second is not None and not first.overlaps(second):
        return
    before = tags_of([first] if first else [], 8)
    after = tags_of([second] if second else [], 8)
    changed = [i for i in range(8) if before[i] != after[i]]
    assert differing(Verdict(0, first, second, "wrong_type", 1.0)) == changed


def test_an_inside_tag_alone_begins_an_entity():
    assert spans_of(["I-a", "I-a", "I-b", "O", "B-b", "B-b"]) == [
        Span(0, 2, "a"),
        Span(2, 3, "b"),
        Span(4, 5, "b"),
        Span(5, 6, "b"),
    ]


def test_each_kind_of_error_is_found_and_named():
    sentences, tags, given, errors = spoiled()
    classes = sorted({tag for one in given for tag in one})
    codes = np.array([classes.index(tag) for one in given for tag in one])
    probabilities = held_out(sentences, codes, len(classes))
    assert probabilities.sum(axis=1) == pytest.approx(1)
    found = judge_tokens(sentences, given, probabilities, classes)
    wrong = np.concatenate(given) != np.concatenate(tags)
    worst = np.argsort(-found.tokens, kind="stable")[: wrong.sum()]
    assert wrong[worst].mean() > 0.8
    named = {}
    for one in sorted(found.verdicts, key=lambda v: v.probability):
        named[one.sentence] = one.kind
    alike = {"inconsistent": {"wrong_type", "missed_entity"}}
    hits = [
        kind == named.get(row) or kind in alike.get(named.get(row), ())
        for row, kind in errors.items()
    ]
    assert np.mean(hits) > 0.8
    table = table_of(found, sentences)
    assert table["probability"].is_monotonic_decreasing
    assert set(table["sentence"]) >= set(list(errors)[:8]) - {3, 7}


def test_no_entity_at_all_is_no_problem():
    found = judge_tokens([["a", "b"]], [["O", "O"]], np.ones((2, 1)), ["O"])
    assert found.verdicts == ()
    assert found.sentences.tolist() == [0]


def test_corrected_takes_the_likelier_of_two_verdicts():
    tags = ["B-a", "I-a", "O"]
    whole, part = Span(0, 2, "a"), Span(0, 3, "a")
    one = Verdict(0, whole, part, "wrong_boundary", 0.6)
    other = Verdict(0, None, Span(2, 3, "b"), "missed_entity", 0.9)
    assert corrected(tags, [one]) == ["B-a", "I-a", "I-a"]
    assert corrected(tags, [one, other]) == ["O", "O", "B-b"]
    assert corrected(tags, [Verdict(0, whole, None, "invented_entity", 0.9)]) == ["O"] * 3


def test_scan_of_a_frame_finds_the_sentences(tmp_path):
    sentences, tags, given, errors = spoiled()
    frame = pd.DataFrame({"tokens": sentences, "tags": given})
    run = cf.scan(frame, out=tmp_path / "run")
    table = run.table
    worst = table.sort_values("suspicion", ascending=False).head(len(errors))["row"]
    assert np.isin(worst, list(errors)).mean() > 0.7
    row = table.set_index("row").loc[0]
    assert row["kind"] in ("wrong_type", "inconsistent")
    assert row["suggested_label"] == " ".join(tags[0])
    assert "person" in row["why"]
    assert cf.Run.open(tmp_path / "run").table["suspicion"].tolist() == table["suspicion"].tolist()


def test_all_forms_are_read_alike(tmp_path):
    sentences, tags = made(5)
    lines = ["-DOCSTART- O", ""]
    for words, own in zip(sentences, tags, strict=True):
        lines += [f"{word} X {tag}" for word, tag in zip(words, own, strict=True)] + ["", ""]
    path = tmp_path / "train.conll"
    path.write_text("\n".join(lines), "utf-8")
    names = ["O", "B-person", "I-person", "B-place", "I-place"]
    features = datasets.Features(
        tokens=datasets.Sequence(datasets.Value("string")),
        ner_tags=datasets.Sequence(datasets.ClassLabel(names=names)),
    )
    codes = [[names.index(tag) for tag in one] for one in tags]
    hub = datasets.Dataset.from_dict({"tokens": sentences, "ner_tags": codes}, features)
    plain = pd.DataFrame({"words": map(" ".join, sentences), "labels": map(" ".join, tags)})
    for data in (path, hub, plain, pd.DataFrame({"tokens": sentences, "tags": tags})):
        read = read_tagged(data)
        assert read.sentences == sentences
        assert read.tags == tags


def test_spans_of_characters_become_tags():
    frame = pd.DataFrame(
        {
            "text": ["Ann Lee, of Rome.", "None here"],
            "entities": [[(0, 7, "person"), {"start": 12, "end": 16, "label": "place"}], []],
        }
    )
    read = read_tagged(frame)
    assert read.sentences[0] == ["Ann", "Lee", ",", "of", "Rome", "."]
    assert read.tags == [["B-person", "I-person", "O", "O", "B-place", "O"], ["O", "O"]]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"tokens": [["a"]], "tags": [["X"]]}, "BIO tags"),
        ({"tokens": [["a", "b"]], "tags": [["O"]]}, "2 tokens in row 0"),
        ({"tokens": [["a"]], "color": [["O"]]}, "columns tokens and tags"),
        ({"text": ["a b"], "spans": [[(0, 1, "x"), (0, 3, "y")]]}, "do not overlap"),
        ({"text": ["a b"], "spans": [[(0, 1)]]}, "start, end and label"),
    ],
)
def test_what_is_not_tagged_is_refused_in_words(columns, words):
    with pytest.raises(InputError, match=words):
        read_tagged(pd.DataFrame(columns))


def test_judge_takes_held_out_tags_of_ones_own():
    tags = ["B-a O", "O O O", "B-b O"]
    classes = ["B-a", "B-b", "O"]
    records = np.zeros((3, 3, 3))
    for row, likely in enumerate((["B-b", "O"], ["O", "O", "O"], ["B-b", "O"])):
        for place, tag in enumerate(likely):
            records[row, place] = 0.02
            records[row, place, classes.index(tag)] = 0.96
    run = cf.judge(tags, task="tokens", records={"held_out_tags": records})
    table = run.table.set_index("row") if "row" in run.table else run.table
    assert table["suspicion"].to_numpy().argmax() == 0
    with pytest.raises(InputError, match="held_out_tags"):
        cf.judge(tags, task="tokens", records={"held_out_tags": records[:, :, :2]})


def test_no_sentence_is_judged_by_a_model_that_learned_from_it():
    sentences, tags = made(40)
    classes = sorted({tag for one in tags for tag in one})
    codes = [np.array([classes.index(tag) for tag in one]) for one in tags]
    before = held_out(sentences, np.concatenate(codes), len(classes))
    same = [k for k, one in enumerate(sentences) if one == sentences[0]]
    for k in same:  # copies of a sentence are held out with it
        codes[k] = np.full_like(codes[k], classes.index("O"))
    after = held_out(sentences, np.concatenate(codes), len(classes))
    length = len(sentences[0])
    np.testing.assert_array_equal(before[:length], after[:length])
    assert not np.array_equal(before, after)
