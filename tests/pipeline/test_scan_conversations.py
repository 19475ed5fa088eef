import numpy as np
import pandas as pd
import pytest
import text_model_case as case

import chaffinch as cf

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    """A Llama that has learned nothing."""
    folder = tmp_path_factory.mktemp("causal")
    case.make_causal().save_pretrained(folder)
    case.save_tokenizer(folder)
    return folder


@pytest.fixture
def plain():
    random = np.random.default_rng(0)
    return pd.DataFrame([case.pair(random) for _ in range(20)], columns=["prompt", "response"])


def test_conversations_are_read_in_the_chat_template(plain, causal, tmp_path):
    chats = [
        [{"role": "user", "content": p}, {"role": "assistant", "content": r}]
        for p, r in plain[["prompt", "response"]].itertuples(index=False)
    ]
    place = tmp_path / "plain.jinja"
    place.write_text("{% for m in messages %}{{ m.content }} {% endfor %}", "utf-8")
    table = pd.DataFrame({"messages": chats, "source": "hand"})
    found = cf.scan(table, model=causal, chat_template=str(place), length=12)
    assert found.notes[:2] == (
        "Read 'messages' as conversations; not read: 'source'.",
        "The model read the samples in its chat template (--chat-template).",
    )
    untold = cf.scan(table, model=causal, chat_template="none", length=12)
    assert not any("template" in note for note in untold.notes)
    # This template is what plain texts look like, so the losses are those of plain texts.
    np.testing.assert_allclose(
        found.table["response_loss"], untold.table["response_loss"], atol=1e-5
    )
    short = cf.scan(plain, model=causal, length=6)
    longer = sum(len(one.split()) + 1 > 6 for one in plain["prompt"])
    assert f"{longer} of 20 samples have more than 6 tokens" in short.notes[1]
