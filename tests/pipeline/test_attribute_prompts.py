import json

import numpy as np
import pandas as pd
import pytest
import torch
from attribution_case import draw_prompts, write_model

import chaffinch as cf
from chaffinch.core.errors import InputError, RunError
from chaffinch.influence.queries import GradientTable
from chaffinch.models.language import load_language_model
from chaffinch.pipeline.attribute import ANSWERS, MATRIX, PAGE, RECORD, ask_again


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attribution")
    base, lora = write_model(folder)
    draw_prompts(17).to_json(folder / "train.jsonl", orient="records", lines=True)
    draw_prompts(4, seed=1).to_csv(folder / "asked.csv", index=False)
    return folder, base, lora


def found(place, out, **options):
    folder, base, lora = place
    return cf.attribute_prompts(
        folder / "train.jsonl", folder / "asked.csv", base, out, lora=str(lora), **options
    )


@pytest.mark.parametrize("estimator", ["grad_dot", "grad_cos", "datainf"])
def test_whole_gradients_agree_with_the_estimators_in_memory(place, tmp_path, estimator):
    _, base, lora = place
    answers = found(place, tmp_path / "run", estimator=estimator, sketch=0, top=3)
    model = load_language_model(base, lora)
    train, asked = draw_prompts(17), draw_prompts(4, seed=1)
    truth = cf.attribute(
        model.model,
        model.pairs(train.prompt, train.response),
        model.pairs(asked.prompt, asked.response),
        estimator,
        layers="lora",
        loss=model.loss,
    )
    values = np.load(tmp_path / "run" / MATRIX)
    np.testing.assert_allclose(values, truth, rtol=2e-4, atol=1e-5 * float(truth.abs().max()))
    best = int(truth[:, 2].argmax())
    assert answers.answers[2].helped[0].prompt == train.prompt[best]
    assert answers.answers[2].helped[0].value == pytest.approx(float(truth[best, 2]), rel=1e-3)
    worst = int(truth[:, 2].argmin())
    assert answers.answers[2].hurt[0].prompt == train.prompt[worst]
    assert len(answers.answers[2].hurt) <= 3


def test_files_of_a_run(place, tmp_path):
    answers = found(place, tmp_path / "run", top=2, tokens=1, sketch=16)
    lines = [json.loads(line) for line in (tmp_path / "run" / ANSWERS).read_text().splitlines()]
    assert lines == json.loads(json.dumps(answers.lines()))
    assert [line["prompt"] for line in lines] == draw_prompts(4, seed=1).prompt.tolist()
    page = (tmp_path / "run" / PAGE).read_text()
    assert "http" not in page.replace("http-equiv", "")
    first = answers.answers[0].helped[0]
    assert first.prompt in page
    assert first.id in page
    assert len(first.layers) == 3
    assert first.tokens
    second = answers.answers[0].helped[1]
    assert not second.tokens


def test_tokens_add_up_to_the_influence(place, tmp_path):
    for sketch in (0, 16):
        answers = found(place, tmp_path / str(sketch), sketch=sketch, tokens=1, top=1)
        for one in (*answers.answers[0].helped, *answers.answers[0].hurt):
            total = sum(value for _, value in one.tokens)
            assert total == pytest.approx(one.value, rel=2e-3)


def test_further_queries_need_no_second_pass(place, tmp_path, monkeypatch):
    first = found(place, tmp_path / "run", sketch=16)
    monkeypatch.setattr("chaffinch.pipeline.attribute_tables.collect_gradients", None)
    again = ask_again(tmp_path / "run", place[0] / "asked.csv")
    assert again.lines() == first.lines()
    other = ask_again(tmp_path / "run", draw_prompts(2, seed=5), estimator="trak")
    assert len(other.answers) == 2


def test_other_data_or_weights_are_another_run(place, tmp_path):
    found(place, tmp_path / "run", sketch=16)
    before = GradientTable(tmp_path / "run" / "gradients").key
    folder, base, lora = place
    shorter = draw_prompts(16)
    cf.attribute_prompts(
        shorter, folder / "asked.csv", base, tmp_path / "run", lora=str(lora), sketch=16
    )
    table = GradientTable(tmp_path / "run" / "gradients")
    assert table.key != before
    assert len(table) == 16
    model = load_language_model(base, lora)
    with torch.no_grad():
        next(p for p in model.model.parameters() if p.requires_grad).add_(1e-3)
    cf.attribute_prompts(shorter, folder / "asked.csv", model, tmp_path / "run", sketch=16)
    assert GradientTable(tmp_path / "run" / "gradients").key != table.key


def test_sketches_rank_like_whole_gradients(place, tmp_path):
    found(place, tmp_path / "whole", estimator="grad_cos", sketch=0)
    found(place, tmp_path / "sketched", estimator="grad_cos", sketch=48)
    whole, sketched = (np.load(tmp_path / name / MATRIX) for name in ("whole", "sketched"))
    assert np.corrcoef(whole.ravel(), sketched.ravel())[0, 1] > 0.5


def standard_cosines(model, train, asked):
    """Of the first of two blocks; texts one at a time, pairs one at a time."""
    states = []
    for frame in (train, asked):
        data, _ = model.pairs(frame.prompt, frame.response)
        rows = []
        for ids in data.tokens.rows:
            with torch.no_grad():
                found = model.model(input_ids=ids[None], output_hidden_states=True).hidden_states
            rows.append(torch.cat([found[1][0].mean(0), found[1][0, -1]]).double().numpy())
        states.append(np.stack(rows))
    mean, deviation = states[0].mean(0), states[0].std(0)
    first, second = ((one - mean) / deviation for one in states)
    lengths = np.linalg.norm(first, axis=1)[:, None] * np.linalg.norm(second, axis=1)
    return first @ second.T / lengths


def test_cosines_of_hidden_states(place, tmp_path):
    answers = found(place, tmp_path / "run", estimator="rep_cos", top=17)
    _, base, lora = place
    model = load_language_model(base, lora)
    truth = standard_cosines(model, draw_prompts(17), draw_prompts(4, seed=1))
    np.testing.assert_allclose(np.load(tmp_path / "run" / MATRIX), truth, atol=1e-4)
    for query, one in enumerate(answers.answers):
        assert not one.hurt  # a text unlike the query did not hurt it
        assert len(one.helped) == (truth[:, query] > 0).sum()
        assert one.helped[0].value == pytest.approx(truth[:, query].max(), abs=1e-4)
        assert [name for name, _ in one.helped[0].layers] == ["block 0"]
    assert answers.facts["kept of each text"] == "32 numbers"
    page = (tmp_path / "run" / PAGE).read_text()
    assert "Most alike" in page
    assert "Hurt most" not in page
    assert not (tmp_path / "run" / "gradients").exists()
    both = found(place, tmp_path / "both", estimator="rep_cos", blocks="*")
    assert both.facts["kept of each text"] == "64 numbers"


def test_states_and_gradients_lie_side_by_side(place, tmp_path, monkeypatch):
    first = found(place, tmp_path / "run", sketch=16)
    alike = ask_again(tmp_path / "run", place[0] / "asked.csv", estimator="rep_cos")
    for name in ("collect_gradients", "collect_states"):
        monkeypatch.setattr(f"chaffinch.pipeline.attribute_tables.{name}", None)
    again = ask_again(tmp_path / "run", place[0] / "asked.csv")
    assert again.lines() == first.lines()
    again = ask_again(tmp_path / "run", place[0] / "asked.csv", estimator="rep_cos")
    assert again.lines() == alike.lines()
    assert json.loads((tmp_path / "run" / RECORD).read_text())["options"]["blocks"] is None


def test_forests_of_tasks(place, tmp_path):
    answers = found(place, tmp_path / "run", estimator="task_forests", task="kind", sketch=16)
    values = np.load(tmp_path / "run" / MATRIX)
    kinds = draw_prompts(17).kind.to_numpy()
    for kind in set(kinds):
        assert len(np.unique(values[kinds == kind, 0])) == 1
    assert len(answers.answers[0].helped) == 10
    assert not answers.answers[0].hurt
    with pytest.raises(InputError, match="column of tasks"):
        found(place, tmp_path / "run", estimator="task_forests")
    with pytest.raises(InputError, match="a column 'species'"):
        found(place, tmp_path / "run", estimator="task_forests", task="species", sketch=16)


def test_a_model_without_adapters_counts_its_last_block(place, tmp_path):
    folder, base, _ = place
    cf.attribute_prompts(
        folder / "train.jsonl", folder / "asked.csv", base, tmp_path / "run", sketch=8
    )
    names = GradientTable(tmp_path / "run" / "gradients").layout.names
    assert names
    assert all(".layers.1." in name for name in names)


def test_errors_say_what_is_wrong(place, tmp_path):
    folder, base, _ = place
    with pytest.raises(InputError, match="tokens of at least 0"):
        found(place, tmp_path / "run", tokens=-1)
    with pytest.raises(InputError, match="Did you mean 'datainf'"):
        found(place, tmp_path / "run", estimator="datainv")
    with pytest.raises(InputError, match="tokens=0 with rep_cos"):
        found(place, tmp_path / "run", estimator="rep_cos", tokens=1)
    with pytest.raises(InputError, match="a glob of blocks of the model"):
        found(place, tmp_path / "run", estimator="rep_cos", blocks="lora")
    with pytest.raises(InputError, match="options among"):
        found(place, tmp_path / "run", tok=1)
    with pytest.raises(InputError, match="whole gradients for ekfac"):
        found(place, tmp_path / "run", estimator="ekfac", sketch=8)
    with pytest.raises(InputError, match="a damping above 0"):
        found(place, tmp_path / "run", damping=-1.0, sketch=8)
    with pytest.raises(InputError, match="one response column"):
        cf.attribute_prompts(pd.DataFrame({"prompt": ["a"]}), None, base, tmp_path / "x")
    with pytest.raises(InputError, match=r"adapters of PEFT in .*no such folder"):
        cf.attribute_prompts(
            folder / "train.jsonl", folder / "asked.csv", base, tmp_path / "x", lora="nowhere"
        )
    with pytest.raises(InputError, match="a causal model of Transformers"):
        cf.attribute_prompts(
            folder / "train.jsonl", folder / "asked.csv", tmp_path / "none", tmp_path / "x"
        )
    with pytest.raises(RunError, match="a finished attribution"):
        ask_again(tmp_path / "none", folder / "asked.csv")
    (tmp_path / RECORD).write_text("{}")
    with pytest.raises(RunError, match="a finished attribution"):
        ask_again(tmp_path, folder / "asked.csv")
    with pytest.raises(InputError, match="folder that can be written"):
        cf.attribute_prompts(draw_prompts(3), draw_prompts(1), base, tmp_path / RECORD, sketch=8)
    cf.attribute_prompts(draw_prompts(3), draw_prompts(1), base, tmp_path / "memory", sketch=8)
    with pytest.raises(RunError, match="training data are in a file"):
        ask_again(tmp_path / "memory", folder / "asked.csv")
