import json

import pandas as pd
import pytest

from chaffinch.core.errors import InputError
from chaffinch.data.chat import read_chat, split_chat, text_of_chat
from chaffinch.data.prompt import open_prompts
from chaffinch.data.prompt_format import format_of

CHATS = [
    [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "What is a wren?"},
        {"role": "assistant", "content": "A small bird."},
    ],
    [
        {"role": "user", "content": "Name a fish."},
        {"role": "assistant", "content": "An eel."},
        {"role": "user", "content": "Another, it's late {now}"},
        {"role": "assistant", "content": "A 'carp'."},
    ],
]
SHAREGPT = [
    [
        {
            "from": {"user": "human", "assistant": "gpt"}.get(turn["role"], turn["role"]),
            "value": turn["content"],
        }
        for turn in chat
    ]
    for chat in CHATS
]
PROMPTS = (
    "Be kind.\n\nWhat is a wren?",
    "User: Name a fish.\n\nAssistant: An eel.\n\nUser: Another, it's late {now}",
)
RESPONSES = ("A small bird.", "A 'carp'.")


@pytest.mark.parametrize("turns", [CHATS, SHAREGPT], ids=["messages", "conversations"])
@pytest.mark.parametrize("kind", ["frame", "json", "jsonl", "parquet", "csv", "array csv", "hub"])
def test_conversations_from_anywhere(tmp_path, kind, turns):
    name = "messages" if turns is CHATS else "conversations"
    table = pd.DataFrame({"id": ["a", "b"], name: turns})
    path = tmp_path / f"chats.{kind.split()[-1]}"
    if kind == "json":
        path.write_text(table.to_json(orient="records"), "utf-8")
    elif kind == "jsonl":
        table.to_json(path, orient="records", lines=True)
    elif kind == "parquet":
        table.to_parquet(path)
    elif kind == "csv":
        table.assign(**{name: [json.dumps(one) for one in turns]}).to_csv(path, index=False)
    elif kind == "array csv":  # what pandas writes of a Parquet file's lists
        table.to_parquet(tmp_path / "chats.parquet")
        pd.read_parquet(tmp_path / "chats.parquet").to_csv(path, index=False)
    data = table if kind == "frame" else path
    if kind == "hub":
        datasets = pytest.importorskip("datasets")
        data = datasets.Dataset.from_pandas(table)
    found = open_prompts(data)
    assert found.prompts == PROMPTS
    assert found.responses == RESPONSES
    assert [turn.role for turn in found.chats[0]] == ["system", "user", "assistant"]
    assert found.notes == (f"Read {name!r} as conversations; not read: 'id'.",)
    assert found.fingerprint == open_prompts(table).fingerprint


def test_conversations_that_lack_something():
    turns = [
        [*CHATS[0], {"role": "user", "content": "Thanks."}],
        [CHATS[0][1]],
        [CHATS[1][0], {"role": "assistant", "content": " "}, *CHATS[1][2:]],
        None,
    ]
    found = open_prompts(pd.DataFrame({"messages": turns}))
    assert found.responses == ("A small bird.", "", "A 'carp'.", "")
    assert found.notes[1:] == (
        "Conversations with turns behind the last one of the assistant, which were left out: 1.",
        "Conversations with an empty turn of the assistant before the last one: 1.",
        "Conversations without a turn of the assistant: 2.",
    )
    assert list(found.faults) == [str(found.ids[3])]  # no turn at all
    assert [turn.role for turn in found.chats[0]] == ["system", "user", "assistant"]
    kept = found.take(found.ids == found.ids[2])
    assert kept.chats == (found.chats[2],)


def test_contents_of_parts_tools_and_roles():
    parts = [{"type": "text", "text": "See"}, {"type": "image"}, "and say."]
    chat = read_chat([{"role": "User", "content": parts}], "here")
    assert text_of_chat(chat) == "See\n[image]\nand say."
    call = [{"role": "assistant", "content": None, "tool_calls": [{"name": "sun"}]}]
    assert split_chat(read_chat(call, "here")) == ((), '[{"name": "sun"}]')
    for wrong, told in (
        ([{"role": "narrator", "content": "x"}], "the role 'narrator'"),
        ([{"content": "x"}], "a turn without a role"),
        (3, "int '3'"),
        ("plain", "str 'plain'"),
    ):
        with pytest.raises(InputError, match=told):
            read_chat(wrong, "'messages', row 3")


def test_the_input_of_an_instruction_belongs_to_the_prompt():
    table = pd.DataFrame(
        {
            "instruction": ["Sort", "Name a bird", None],
            "input": ["b, a", None, "wren"],
            "output": ["a, b", "wren", "yes"],
            "source": "x",
        }
    )
    found = open_prompts(table)
    assert found.prompts == ("Sort\n\nb, a", "Name a bird", "wren")
    assert found.notes == (
        "Read 'instruction' as the prompt followed by 'input' and 'output' as the response; "
        "not read: 'source'.",
    )
    named = open_prompts(table, prompt="instruction")
    assert named.prompts[0] == "Sort"
    assert "not read: 'input', 'source'" in named.notes[0]
    system = open_prompts(table.assign(system=["Be brief.", "", "Be kind."]))
    assert system.prompts == ("Be brief.\n\nSort\n\nb, a", "Name a bird", "Be kind.\n\nwren")
    alone = open_prompts(pd.DataFrame({"system": ["s"], "question": [""], "answer": ["b"]}))
    assert alone.prompts == ("",)


def test_prompts_and_completions_as_turns():
    table = pd.DataFrame(
        {"prompt": [one[:-1] for one in CHATS], "completion": [one[-1:] for one in CHATS]}
    )
    found = open_prompts(table)
    assert (found.prompts, found.responses) == (PROMPTS, RESPONSES)
    assert open_prompts(table.assign(completion=RESPONSES)).chats == found.chats


@pytest.mark.parametrize(
    ("before", "mark", "behind"),
    [
        ("### Instruction:\n{}\n\n", "### Response:", "\n{}"),
        ("<s>[INST] {} ", "[/INST]", " {} </s>"),
        ("<|im_start|>user\n{}<|im_end|>\n", "<|im_start|>assistant", "\n{}<|im_end|>\n"),
        ("User: {}\n", "Assistant:", " {}"),
        ("Q: {}\n", "A:", " {}"),
    ],
)
def test_texts_with_a_mark_before_the_response(before, mark, behind):
    rows = [("Name a bird.", "A wren."), ("Name a fish.", "An eel.")] * 10
    texts = [before.format(a) + mark + behind.format(b) for a, b in rows]
    found = open_prompts(pd.DataFrame({"text": texts}))
    assert found.responses == tuple(b for _, b in rows)
    assert found.prompts[0] == (before.format("Name a bird.") + mark).strip()
    assert found.notes == (f"Read 'text' as prompt and response, split at {mark!r}.",)
    broken = open_prompts(pd.DataFrame({"text": ["no mark", *texts]}))
    assert broken.prompts[0] == ""
    assert broken.notes[1].startswith("Texts without")


def test_preferences():
    table = pd.DataFrame(
        {"prompt": ["Name a bird."], "chosen": ["A wren."], "rejected": ["An eel."], "score": 1}
    )
    found = open_prompts(table)
    assert (found.prompts, found.responses, found.rejected) == (
        ("Name a bird.",),
        ("A wren.",),
        ("An eel.",),
    )
    assert found.notes == (
        "Read 'chosen' as the response and 'rejected' as the one liked less; not read: 'score'.",
    )
    turned = table.rename(columns={"chosen": "rejected", "rejected": "chosen"})
    assert open_prompts(turned).ids[0] != found.ids[0]
    asked = {"role": "user", "content": "Name a bird."}
    for chosen, rejected, prompt in (
        (
            [asked, {"role": "assistant", "content": "A wren."}],
            [asked, {"role": "assistant", "content": "An eel."}],
            None,
        ),
        (
            [{"role": "assistant", "content": "A wren."}],
            [{"role": "assistant", "content": "An eel."}],
            "Name a bird.",
        ),
        (
            "\n\nHuman: Name a bird.\n\nAssistant: A wren.",
            "\n\nHuman: Name a bird.\n\nAssistant: An eel.",
            None,
        ),
    ):
        columns = {"chosen": [chosen], "rejected": [rejected]}
        other = open_prompts(pd.DataFrame(columns | ({"prompt": [prompt]} if prompt else {})))
        assert (other.responses, other.rejected) == (found.responses, found.rejected)
        assert "Name a bird." in other.prompts[0]
    with pytest.raises(InputError, match="a prompt column beside 'chosen' and 'rejected'"):
        open_prompts(table.drop(columns="prompt"))


def test_what_is_no_table_of_prompts():
    for columns in ({"text": ["a", "b"]}, {"messages": ["hello", "you"]}, {"a": [1], "b": [2]}):
        frame = pd.DataFrame(columns)
        assert format_of(frame) is None
        with pytest.raises(InputError, match=f"got the columns '{next(iter(columns))}'"):
            open_prompts(frame)
    assert format_of(pd.DataFrame({"question": ["a"], "answer": ["b"]})) == "pairs"
    assert format_of(pd.DataFrame({"input": ["a"], "output": ["b"]})) == "pairs"
