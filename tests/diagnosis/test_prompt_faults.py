import numpy as np
import pandas as pd
import pytest

from chaffinch.data.prompt import open_prompts
from chaffinch.diagnosis.prompt_check import check_prompts
from chaffinch.diagnosis.texts.fault_patterns import cut_off, damage, markup, personal, refusal
from chaffinch.diagnosis.texts.language import language_of

WOODS = [
    "oak",
    "elm",
    "ash",
    "fir",
    "yew",
    "box",
    "fig",
    "pine",
    "larch",
    "beech",
    "birch",
    "alder",
]
TOOLS = ["saw", "axe", "plane", "knife", "chisel", "hammer"]


def table(extra=(), count=60):
    """Right samples, then others."""
    rows = [
        (
            f"How is {TOOLS[n % 6]} number {n} used on {WOODS[n % 12]}?",
            f"The {TOOLS[n % 6]} is drawn along the grain of the {WOODS[n % 12]} with care.",
        )
        for n in range(count)
    ]
    return open_prompts(pd.DataFrame([*rows, *extra], columns=["prompt", "response"]))


@pytest.mark.parametrize(
    ("name", "prompt", "response", "evidence"),
    [
        (
            "refusal",
            "Explain the parts of a loom.",
            "I'm sorry, but I can't help with that.",
            "refuses (sorry, but I can't)",
        ),
        (
            "truncated",
            "Explain the parts of a loom.",
            "It has a beam, a reed, and a shuttle that the",
            "breaks off after 'the'",
        ),
        (
            "truncated",
            "Explain the parts of a loom.",
            "It has a beam and a reed and also a shuttle that moves",
            "ends without a full stop",
        ),
        (
            "wrong_language",
            "Explain the parts of a loom to a guest.",
            "Der Webstuhl hat einen Baum und ein Blatt, und die Weberin wirft das Schiffchen.",
            "is in German, its prompt in English",
        ),
        (
            "encoding",
            "Explain the parts of a loom.",
            "The weaver\u00e2\u20ac\u2122s beam holds the warp.",
            "holds letters read in a wrong encoding",
        ),
        ("encoding", "Explain the parts of a loom.", "The beam holds the w\ufffdrp.", "U+FFFD"),
        ("markup", "Explain the parts of a loom.", "<p>The beam holds the warp.</p>", "'<p>'"),
        ("markup", "Explain the parts of a loom.", "The beam.<|im_end|>", "'<|im_end|>'"),
        (
            "prompt_repeated",
            "Explain the parts of a big loom.",
            "Explain the parts of a big loom. It has a beam.",
            "begins with the line",
        ),
        ("length", "Explain the parts of a loom.", "It has a beam. " * 900, "has 3,600 words"),
        (
            "personal_data",
            "Whom do I ask?",
            "Please write to anna.weber@loomworks.org today.",
            "holds what looks like an e-mail address",
        ),
    ],
)
def test_each_fault_is_named_with_its_evidence(name, prompt, response, evidence):
    found = check_prompts(table([(prompt, response)]))
    assert (found["fault"][:-1] == "").all()
    last = found.iloc[-1]
    assert last["fault"] == name
    assert evidence in last["fault_evidence"]
    assert (last["fault_chance"] > 0) == (name not in ("length", "personal_data"))


def test_what_many_responses_show_is_a_habit_of_the_file():
    extra = [(f"Say {n} in a few words, please.", f"<p>It is number {n}.</p>") for n in range(20)]
    found = check_prompts(table(extra))
    assert (found["fault"] == "").all()
    assert "20 of 80 responses show the sign 'markup'" in found.attrs["habits"][0]


def test_swapped_responses():
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list("abcdefghij"), 6)) for _ in range(240)]
    odd = list(zip(words[::2], words[1::2], strict=True))
    asked = [f"What sleeps in the {one} wood by the {two} lake?" for one, two in odd]
    given = [f"Among {one} trees and {two} reeds, the moths sleep." for one, two in odd]
    given[-8:] = [*given[-7:], given[-8]]
    rows = list(zip(asked, given, strict=True))
    found = check_prompts(open_prompts(pd.DataFrame(rows, columns=["prompt", "response"])))
    assert (found["swapped"][:-8] == 0).all()
    assert (found["swapped"][-8:] > 0.5).all()
    names = found["id"].tolist()
    assert found["swapped_with"].tolist()[-8:] == [*names[-7:], names[-8]]
    assert found["mismatch"][-8:].min() > found["mismatch"][:-8].max()


def test_swapped_responses_where_many_prompts_have_the_same_subjects():
    random = np.random.default_rng(1)
    words = ["".join(random.choice(list("abcdefghij"), 6)) for _ in range(40)]
    pairs = sorted({tuple(random.choice(words, 2, replace=False)) for _ in range(200)})
    asked = [f"What sleeps in the {one} wood by the {two} lake?" for one, two in pairs]
    given = [f"Among {one} trees and {two} reeds, the moths sleep." for one, two in pairs]
    odd = random.choice(len(pairs), 12, replace=False)
    for place, other in zip(odd, np.roll(odd, 1), strict=True):
        one, two = pairs[other]
        given[place] = f"Among {one} trees and {two} reeds, the moths sleep."
    rows = list(zip(asked, given, strict=True))
    found = check_prompts(open_prompts(pd.DataFrame(rows, columns=["prompt", "response"])))
    wrong = np.isin(np.arange(len(rows)), odd)
    assert (found["swapped"][wrong] > 0.5).mean() > 0.7
    assert (found["swapped"][~wrong] > 0.5).mean() < 0.03


def test_sums_are_not_taken_for_swapped():
    rows = [(f"What is {a} + {b}?", f"{a + b}") for a in range(2, 14) for b in range(2, 14)]
    found = check_prompts(open_prompts(pd.DataFrame(rows, columns=["prompt", "response"])))
    assert (found["swapped"] == 0).all()


@pytest.mark.parametrize(
    "response",
    [
        "As an AI language model, I have no opinion.",
        "I cannot assist with that.",
        "I\u2019m unable to answer this question.",
        "Unfortunately, I am not able to share that.",
        "I won't be able to help you here.",
        "Es tut mir leid, aber das kann ich leider nicht beantworten.",
        "Je suis d\u00e9sol\u00e9, mais je ne peux pas vous aider.",
        "Lo siento, pero no puedo ayudar.",
    ],
)
def test_refusals(response):
    assert refusal("how does a loom work", response)
    assert refusal("write a poem on spring", response)
    for task in ("translate this for me", "write a letter to a guest", "draft a polite excuse"):
        assert not refusal(task, response)


@pytest.mark.parametrize(
    "response",
    [
        "I am sorry for your loss. Take the time you need.",
        "You cannot help a moth by holding it.",
        "Sorry! The right answer is 12.",
        "I can do that: the beam holds the warp.",
        "AI models learn from data.",
    ],
)
def test_what_is_no_refusal(response):
    assert not refusal("how does a loom work", response)


def test_what_is_no_fault():
    for whole in ("Yes", "A list:\n- one\n- two", "x = 1", "He gave in.", "Ask Mr. Of", ""):
        assert not cut_off(whole)
    for clean in (
        "caf\u00e9 na\u00efve \u2014 \u201cso\u201d",
        "S\u00c3O PAULO",
        "5 \u00b0C",
        "tab\there\n",
    ):
        assert not damage(clean)
    assert not markup("write a paragraph in html", "<p>x</p>")
    assert not markup("compare numbers", "3 < 5 and 7 > 2")
    for nobody in (
        "anna@example.com",
        "1234 5678 1234 5678",
        "127.0.0.1",
        "version 1.2.3",
        "in 1984",
    ):
        assert not personal(nobody)
    for somebody in ("+49 30 1234 5678", "4539 1488 0343 6467", "DE89 3704 0044 0532 0130 00"):
        assert personal(somebody)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The cat that was on the mat is not there with them.", "English"),
        ("Die Katze ist nicht auf dem Teppich, und das ist auch gut.", "German"),
        ("Le chat est sur la table et il ne veut pas partir avec nous.", "French"),
        ("El gato est\u00e1 en la mesa y no se quiere ir con los perros.", "Spanish"),
        (
            "\u041a\u043e\u0442 \u0441\u0438\u0434\u0438\u0442 \u043d\u0430",
            "Cyrillic",
        ),
        ("\u732b\u306f\u673a\u306e\u4e0a\u306b\u3044\u307e\u3059", "Japanese"),
        ("\u732b\u5728\u684c\u5b50\u4e0a\u9762\u7761\u89c9", "Chinese"),
        ("12 + 7 = 19", ""),
        ("Hello", ""),
        ("foo(bar, baz) quux zap blip blop", ""),
    ],
)
def test_languages(text, language):
    assert language_of(text) == language


def test_translations_are_right_in_another_language():
    german = "Der Webstuhl hat einen Baum und ein Blatt, und die Weberin wirft das Schiffchen."
    for asked in (
        "Translate into German: the loom has a beam",
        "Say it in German, how is the loom?",
    ):
        assert (check_prompts(table([(asked, german)]))["fault"] == "").all()


def test_a_system_prompt_in_another_language_is_no_prompt_in_it():
    system = "Eres un asistente amable de un banco y responde siempre con pocas palabras.\n\n"
    base = table(count=60)
    rows = [(system + p, r) for p, r in zip(base.prompts, base.responses, strict=True)]
    rows.append((system + "Loom parts?", "The loom has a beam and a reed that the weaver moves."))
    frame = pd.DataFrame(rows, columns=["prompt", "response"])
    assert (check_prompts(open_prompts(frame))["fault"] == "").all()


def test_time_is_spent_on_texts_not_on_pairs():
    found = check_prompts(table(count=400))
    assert (found["fault"] == "").all()
    assert np.isfinite(found["mismatch"]).all()
