import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from chaffinch.core.errors import InputError
from chaffinch.models.language import load_language_model
from chaffinch.models.language.chat import ChatTemplate
from chaffinch.models.language.fit import ResponseFit

sys.path.append(str(Path(__file__).parent.parent / "pipeline"))
import text_model_case as case

pytest.importorskip("transformers")
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}"
    "{{ m.role }} {{ m.content | trim }} [END] {% endfor %}"
)
CHAT = [
    {"role": "user", "content": "tell me red"},
    {"role": "assistant", "content": " one "},
    {"role": "user", "content": "what goes with blue"},
    {"role": "assistant", "content": "two three"},
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("causal")
    case.make_causal().save_pretrained(folder)
    case.save_tokenizer(folder)
    return load_language_model(folder)


@pytest.fixture
def template(model):
    return ChatTemplate(model.tokenizer, TEMPLATE)


def ids(words):
    return [case.WORDS.index(word) if word in case.WORDS else 1 for word in words.split()]


def test_pieces_of_a_conversation(template):
    assert template.pieces(CHAT) == [
        ("user ", False),
        ("tell me red", False),
        (" [END] assistant ", False),
        ("one", True),
        (" [END] user ", False),
        ("what goes with blue", False),
        (" [END] assistant ", False),
        ("two three", True),
    ]
    assert template.pieces([*CHAT, {"role": "tool", "content": "x"}]) is None
    assert template.pieces(CHAT[:1]) is None  # nobody answers
    braces = [CHAT[0], {"role": "assistant", "content": "{{ a }} {% b"}]
    assert template.pieces(braces)[-1] == ("{{ a }} {% b", True)


def test_which_template(model, tmp_path):
    tokenizer = model.tokenizer
    assert ChatTemplate.of(tokenizer, None) is None  # it has none
    assert ChatTemplate.of(tokenizer, "none") is None
    (tmp_path / "own.jinja").write_text(TEMPLATE, "utf-8")
    named = ChatTemplate.of(tokenizer, str(tmp_path / "own.jinja"))
    assert named.pieces(CHAT[:2])[-1] == ("one", True)
    with pytest.raises(InputError, match="auto, none or a file with a chat template"):
        ChatTemplate.of(tokenizer, str(tmp_path / "other.jinja"))
    try:
        tokenizer.chat_template = TEMPLATE
        for wanted in (None, "auto"):
            assert ChatTemplate.of(tokenizer, wanted).pieces(CHAT) is not None
        assert ChatTemplate.of(tokenizer, "none") is None
    finally:
        tokenizer.chat_template = None


def test_all_answers_of_a_conversation_count_and_nothing_else(model, template):
    fit = ResponseFit.of(model, ["?"], ["two three"], [CHAT], template)
    assert fit.asked[0].tolist() == ids("user tell me red [END] assistant")
    words = ["one", "[END]", "user", "what", "goes", "with", "blue", "[END]", "assistant"]
    words += ["two", "three"]
    reply = ids(" ".join(words))
    assert fit.replies[0].tolist() == reply
    counted = [word in ("one", "two", "three") for word in words]
    assert fit.counted[0].tolist() == counted
    assert fit.tokens.tolist() == [3]
    whole = torch.tensor([fit.asked[0].tolist() + reply])
    with torch.no_grad():
        told = model.model(input_ids=whole).logits[0].double().log_softmax(1)
    at = len(fit.asked[0])
    slow = [-float(told[at + n - 1, reply[n]]) for n in range(len(reply)) if counted[n]]
    assert fit.losses([0], [0])[0] == pytest.approx(np.mean(slow), abs=1e-4)


def test_plain_texts_have_no_end_token(model):
    fit = ResponseFit.of(model, ["tell me red", "a"], ["one", " "])
    assert [row.tolist() for row in fit.replies] == [ids("one"), []]
    assert fit.tokens.tolist() == [1, 0]
    assert fit.losses([0, 1], [0, 1])[1] == 0
    assert fit.cut == 0


def test_what_all_prompts_end_with_stands_before_a_response_alone(model, template):
    words = ["red", "blue", "green", "black", "good"]
    fit = ResponseFit.of(model, words, ["one"] * 5, None, template)
    end = case.WORDS.index("[END]")
    assert fit.start.tolist() == [end, *ids("[END] assistant")]
    few = ResponseFit.of(model, words[:4], ["one"] * 4, None, template)
    assert few.start.tolist() == [end]


def test_cuts_and_misfits_are_counted(model, template):
    short = load_language_model(model.model.name_or_path, length=8)
    chats = [CHAT[:2], CHAT, [*CHAT[:1], {"role": "tool", "content": "x"}, CHAT[1]]]
    fit = ResponseFit.of(short, ["tell me red"] * 3, ["one"] * 3, chats, template)
    assert (fit.cut, fit.plain) == (1, 1)
    assert fit.replies[2].tolist() == ids("one")
    assert np.isfinite(fit.losses([0, 1, 2], [0, 1, 2])).all()


def test_a_tokenizer_without_special_tokens(model, template):
    bare = load_language_model(model.model.name_or_path)
    for name in ("pad_token", "eos_token", "bos_token"):
        setattr(bare.tokenizer, name, None)
    fit = ResponseFit.of(bare, ["tell me red", "a"], ["one two", "one"])
    full = ResponseFit.of(model, ["tell me red", "a"], ["one two", "one"])
    np.testing.assert_allclose(fit.losses([0, 1], [0, 1]), full.losses([0, 1], [0, 1]), atol=1e-5)
