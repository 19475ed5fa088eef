"""The watched Trainer: logits, ids and labels reach the watch; checkpoints hold its state."""

import warnings

import numpy as np
import pytest
import torch
from watch_twin import measures_of

from chaffinch.core.errors import InputError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from chaffinch.training.adapters.transformers import WatchedTrainer

pytestmark = pytest.mark.filterwarnings("ignore")  # Transformers' own advice

N = 12


def make_model(seed=0):
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=8,
        num_labels=2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return transformers.BertForSequenceClassification(config)


def samples():
    random = np.random.default_rng(0)
    return [
        {"input_ids": random.integers(0, 20, 5).tolist(), "labels": int(row % 2)}
        for row in range(N)
    ]


def trainer(folder, model, data=None, epochs=2, options=None, **arguments):
    setting = transformers.TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=4,
        learning_rate=0.01,
        lr_scheduler_type="constant",
        save_strategy="epoch",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        logging_strategy="no",
        **arguments,
    )
    data = samples() if data is None else data
    return WatchedTrainer(
        model=model, args=setting, train_dataset=data, eval_dataset=samples(), watch_options=options
    )


def test_records_and_resuming(tmp_path):
    model = make_model()
    before = make_model()
    whole = trainer(tmp_path / "whole", model, gradient_accumulation_steps=3)
    whole.train()
    assert whole.watch.epoch == 2
    # One step an epoch: in the first all samples met the model as it was.
    with torch.no_grad():
        ids = torch.tensor([one["input_ids"] for one in samples()])
        logits = before(input_ids=ids).logits
    twins = [measures_of(row, k % 2) for k, row in enumerate(logits)]
    for name in ("loss", "margin", "probability", "entropy"):
        found = whole.watch.history(name)[0]
        np.testing.assert_allclose(found, [twin[name] for twin in twins], rtol=1e-4, atol=1e-5)
    assert np.isfinite(whole.watch.history("gradient_norm")).all()
    assert whole.evaluate()["eval_loss"] > 0

    trainer(tmp_path / "cut", make_model(), epochs=1, gradient_accumulation_steps=3).train()
    again = trainer(tmp_path / "cut", make_model(5), gradient_accumulation_steps=3)
    again.train(resume_from_checkpoint=True)
    np.testing.assert_array_equal(again.watch.history("loss"), whole.watch.history("loss"))
    for one, other in zip(model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_step_is_that_of_an_ordinary_trainer(tmp_path):
    watched, plain = make_model(), make_model()
    # Without accumulation: there, the Trainer of some versions sums losses of classifiers.
    own = trainer(tmp_path / "a", watched)
    own.train()
    ordinary = transformers.Trainer(model=plain, args=own.args, train_dataset=samples())
    ordinary.train()
    for one, other in zip(watched.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_hugging_face_data_sets(tmp_path):
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_list([{**one, "note": "not for the model"} for one in samples()])
    made = trainer(tmp_path, make_model(), data, epochs=1)
    made.train()
    assert np.isfinite(made.watch.history("loss")).all()


def test_what_is_refused(tmp_path):
    with pytest.raises(InputError, match="compute_loss_func or label smoothing"):
        trainer(tmp_path, make_model(), label_smoothing_factor=0.1)
    for task, width in (("multi_label_classification", 2), ("regression", 2), (None, 1)):
        model = make_model()
        model.config.problem_type, model.config.num_labels = task, width
        with pytest.raises(InputError, match="one of several classes; got problem_type"):
            trainer(tmp_path, model).train()
    bare = [{"input_ids": [1, 2, 3]} for _ in range(4)]
    with pytest.raises(InputError, match="the key 'labels'"):
        trainer(tmp_path, make_model(), bare).train()
    with pytest.raises(InputError, match="state of the watch"):
        trainer(tmp_path, make_model()).train(resume_from_checkpoint=str(tmp_path))


@pytest.mark.parametrize("labels", ["weighted", "several"])
def test_a_loss_of_the_models_own_is_not_replaced(tmp_path, labels):
    class Weighted(transformers.BertForSequenceClassification):
        def forward(self, input_ids=None, labels=None, **named):
            outputs = super().forward(input_ids, labels=labels, **named)
            if labels is not None:
                weight = torch.tensor([1.0, 5.0])
                outputs.loss = torch.nn.functional.cross_entropy(outputs.logits, labels, weight)
            return outputs

    model, data = make_model(), samples()
    if labels == "weighted":
        model = Weighted(model.config)
    else:  # Transformers takes these for several labels a sample, and trains another loss
        data = [{**one, "labels": [1.0 - one["labels"], float(one["labels"])]} for one in data]
    with pytest.raises(InputError, match="own loss is the cross-entropy of its logits"):
        trainer(tmp_path, model, data).train()
    model = Weighted(make_model().config)
    trainer(tmp_path, model, epochs=1, options={"loss": torch.nn.CrossEntropyLoss()}).train()
