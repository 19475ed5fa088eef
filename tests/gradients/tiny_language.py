"""Tiny random language models, and the gradients of one text alone by plain autograd."""

import warnings

import pytest
import torch

transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

WORDS = 23


def draw_texts(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(1, WORDS, (n,), generator=generator) for n in lengths]


def settled(model, seed=1):
    """Random numbers in every parameter, so that no adapter hides an error by being 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.double().eval()


def adapted(model, targets, task, **options):
    config = peft.LoraConfig(
        r=2, lora_alpha=4, lora_dropout=0.1, target_modules=targets, task_type=task, **options
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return peft.get_peft_model(model, config)


def llama(**options):
    config = transformers.LlamaConfig(
        vocab_size=WORDS,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        use_cache=False,
        pad_token_id=0,
    )
    model = transformers.LlamaForCausalLM(config)
    return settled(adapted(model, ["q_proj", "v_proj"], "CAUSAL_LM", **options))


def gpt2():
    config = transformers.GPT2Config(
        vocab_size=WORDS, n_positions=64, n_embd=8, n_layer=2, n_head=2, use_cache=False
    )
    model = transformers.GPT2LMHeadModel(config)
    return settled(adapted(model, ["c_attn"], "CAUSAL_LM", fan_in_fan_out=True))


def bert(kind, num_labels=3, problem=None):
    config = transformers.BertConfig(
        vocab_size=WORDS,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        num_labels=num_labels,
        problem_type=problem,
    )
    model = getattr(transformers, f"BertFor{kind}Classification")(config)
    task = {"Sequence": "SEQ_CLS", "Token": "TOKEN_CLS"}[kind]
    return settled(adapted(model, ["query", "value"], task))


def alone(model, texts, targets, loss, chosen):
    """(N, P): backward of one text at a time, without padding or rules."""
    parameters = [p for name, p in model.named_parameters() if p.requires_grad and chosen(name)]
    rows = []
    for text, target in zip(texts, targets, strict=True):
        ids = text[None]
        outputs = model(input_ids=ids, attention_mask=torch.ones_like(ids))
        value = loss(outputs, target[None])
        found = torch.autograd.grad(value, parameters)
        rows.append(torch.cat([one.flatten() for one in found]))
    return torch.stack(rows)
