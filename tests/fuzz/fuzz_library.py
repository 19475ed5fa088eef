"""Hostile calls of the library: for each target a function from choices to a call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from fuzz_draw import JUNK, Draw
from fuzz_files import file_makers
from fuzz_values import (
    C,
    K,
    N,
    Raises,
    array_makers,
    codes,
    features,
    label_makers,
    probabilities,
    table,
)
from torch import nn

import chaffinch as cf

Call = Callable[[], Any]
_QUICK: dict[str, Any] = {"epochs": 1, "folds": 0, "canaries": False}


def judge(draw: Draw, folder: Path) -> Call:
    labels = codes()
    given: dict[str, Any] = {"probabilities": probabilities(draw)}
    if draw.chance(0.4):
        labels = draw.made("labels", label_makers())
    else:
        name = draw.one(("probabilities", "embeddings", "logits"))
        good = features(draw) if name == "embeddings" else probabilities(draw)
        given = {name: draw.made(name, array_makers(good))}
    options = draw.options(
        {
            "ids": ([f"id {i}" for i in range(N)], range(N), pd.Index(range(N, 0, -1)), "x" * N),
            "scorers": ("all", "aum", ["self_confidence"], "nonsense", ("aum", None)),
            "seed": (3, -1, 2**40),
            "select": ("fdr", "f1"),
            "fdr": (0.2, 0, 1, 2),
            "strict": (True,),
            "nonsense": (1,),
        },
        1,
    )
    return lambda: cf.judge(labels, **{**given, **options})


class Samples(torch.utils.data.Dataset):
    """A torch data set with an item that is not as the others."""

    def __init__(self, item: Any, rows: Any = (3,)) -> None:
        self.item, self.rows = item, set(rows)

    def __len__(self) -> int:
        return N

    def __getitem__(self, row: int) -> Any:
        if row not in self.rows:
            return torch.full((K,), float(row)), row % C
        if isinstance(self.item, type) and issubclass(self.item, Exception):
            raise self.item("this sample cannot be read")
        return self.item


class Endless(torch.utils.data.IterableDataset):
    def __iter__(self) -> Any:
        while True:
            yield torch.zeros(K), 0


def torch_data(draw: Draw) -> Any:
    x = torch.zeros(K)
    items = {
        "none": None, "one": x, "three": (x, 0, 1), "wide": (torch.zeros(K + 1), 0), "text": "x",
        "nan": (x * float("nan"), 0), "no label": (x, None), "dict": {"x": x, "y": 0},
        "array": (np.zeros(K), np.int64(1)), "label of rows": (x, torch.zeros(2)), "long": (x.long(), 1),
        "OSError": OSError, "ValueError": ValueError, "RuntimeError": RuntimeError, "empty": (),
        "text label": (x, "a"), "list": ([0.0] * K, 0), "meta": (x.to("meta"), 0), "texts": ("a", "b"),
        "complex": (x * 1j, 0), "nested": ((x, x), 0), "label huge": (x, 2**70),
    }  # fmt: skip
    item = draw.made("item", {name: lambda v=value: v for name, value in items.items()})
    return Samples(item, draw.one(((0,), (3,), range(N), range(1, N))))


def containers(draw: Draw, folder: Path) -> dict[str, Call]:
    """Data of every kind that a scan takes, and of some that it does not."""
    good = features(draw)
    tensors = (torch.from_numpy(good).float(), torch.from_numpy(codes()))

    def hugging_face() -> Any:
        import datasets

        frame = table(draw)
        try:
            return datasets.Dataset.from_pandas(pd.DataFrame(frame), preserve_index=False)
        except Exception:  # it takes less than pandas
            return datasets.Dataset.from_dict({"a": list(range(N)), "label": [None, 1] * (N // 2)})

    return {
        "hostile features": lambda: (draw.made("X", array_makers(good)), codes()),
        "hostile features again": lambda: (draw.made("X", array_makers(good)), codes()),
        "hostile labels": lambda: (good, draw.made("y", label_makers())),
        "frame": lambda: table(draw),
        "frame again": lambda: table(draw),
        "file": lambda: draw.made("file", file_makers(folder)),
        "file again": lambda: draw.made("file", file_makers(folder)),
        "mapping": lambda: {"X": draw.made("X", array_makers(good)), "y": codes()},
        "mapping of columns": lambda: {
            "a": good[:, 0],
            "b": draw.made("b", array_makers(good)),
            "label": draw.made("y", label_makers()),
        },
        "torch": lambda: torch_data(draw),
        "tensors": lambda: torch.utils.data.TensorDataset(*tensors),
        "one tensor": lambda: torch.utils.data.TensorDataset(tensors[0]),
        "subset": lambda: torch.utils.data.Subset(
            torch.utils.data.TensorDataset(*tensors), draw.one(([], [0], [99], range(N), [-1, 1]))
        ),
        "endless": Endless,
        "loader": lambda: torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(*tensors), batch_size=4
        ),
        "Hugging Face": hugging_face,
        "three": lambda: (good, codes(), codes()),
        "list of pairs": lambda: list(zip(good, codes(), strict=True)),
        "generator": lambda: ((x, y) for x, y in zip(good, codes(), strict=True)),
        "nothing": lambda: draw.one(((), ((), ()), [], {}, None, "", b"", 0, object(), Raises())),
        "junk": lambda: draw.one(JUNK),
        "paths": lambda: ["a.csv", "b.csv"],
        "open": lambda: cf.open_data((good, codes())),
    }  # fmt: skip


class Later(nn.Module):
    """A model that is well for some passes, and then is not; its copies count on."""

    passes = 0

    def __init__(self, after: int, error: Callable[[], Any]) -> None:
        super().__init__()
        self.layer, self.error = nn.Linear(K, C), error
        type(self).passes = after

    def forward(self, x: Any) -> Any:
        type(self).passes -= 1
        return self.layer(x) if type(self).passes >= 0 else self.error()


class Moody(nn.Module):
    """A model that answers otherwise in training."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        super().__init__()
        self.layer, self.answer = nn.Linear(K, C), answer

    def forward(self, x: Any) -> Any:
        return self.answer(self.layer(x)) if self.training else self.layer(x)


class NoWayBack(torch.autograd.Function):
    """A function whose backward pass fails."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise KeyError("no way back")


class Answers(nn.Module):
    """A model whose answers are of one's own making."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        super().__init__()
        self.layer, self.answer = nn.Linear(K, C), answer

    def forward(self, x: Any) -> Any:
        return self.answer(self.layer(x))


def model_makers() -> dict[str, Call]:
    """Models, a good one among them."""

    def fail(_x: Any) -> Any:
        raise RuntimeError("this model does not work")

    later: dict[str, Call] = {}
    made: dict[str, Callable[[Any], Any]] = {
        "tuple": lambda x: (x, x), "dict": lambda x: {"logits": x}, "one output": lambda x: x[:, :1],
        "sum": lambda x: x.sum(), "mean": lambda x: x.mean(1), "nan": lambda x: x * float("nan"),
        "inf": lambda x: x / 0, "long": lambda x: x.long(), "half": lambda x: x.half(),
        "first row": lambda x: x[:1], "doubled": lambda x: torch.cat([x, x]), "raises": fail,
        "none": lambda x: None, "detached": lambda x: x.detach(), "numpy": lambda x: x.detach().numpy(),
        "3-d": lambda x: x[:, None], "two classes": lambda x: x[:, :2], "batch": lambda x: x - x.mean(0),
        "complex": lambda x: x * 1j, "sorted": lambda x: x.sort(0).values, "huge": lambda x: x * 1e30,
    }  # fmt: skip

    def wrong(kind: type[Exception]) -> Any:
        raise kind("later")

    for after in (0, 1, 3, 8, 20):
        for kind in (RuntimeError, KeyError, AssertionError, StopIteration):
            later[f"{kind.__name__} after {after}"] = lambda a=after, k=kind: Later(
                a, lambda: wrong(k)
            )
        later[f"NaN after {after}"] = lambda a=after: Later(a, lambda: torch.full((N, C), np.nan))
    moody = ("tuple", "sum", "detached", "nan", "long", "none", "raises", "first row", "half")
    return {
        **later,
        **{f"moody {name}": lambda f=made[name]: Moody(f) for name in moody},
        "no way back": lambda: Answers(NoWayBack.apply),
        "generator inside": lambda: _with_generator(),
        "shared": lambda: nn.Sequential(*[nn.Linear(K, K)] * 2),
        "scripted deep": lambda: torch.jit.script(nn.Sequential(nn.Linear(K, 4), nn.Linear(4, C))),
        "compiled": lambda: nn.Sequential(nn.Linear(K, 4), nn.Dropout(), nn.Linear(4, C)).train(),
        "no bias": lambda: nn.Linear(K, C, bias=False),
        "zero wide": lambda: nn.Sequential(nn.Linear(K, 0), nn.Linear(0, C)),
        "attention": lambda: nn.MultiheadAttention(K, 1),
        "good": lambda: nn.Linear(K, C),
        "deep": lambda: nn.Sequential(nn.Linear(K, 4), nn.ReLU(), nn.Linear(4, C)),
        **{f"answers {name}": lambda f=answer: Answers(f) for name, answer in made.items()},
        "wrong width": lambda: nn.Linear(K + 1, C),
        "many classes": lambda: nn.Linear(K, 50),
        "no parameters": lambda: nn.Identity(),
        "frozen": lambda: nn.Linear(K, C).requires_grad_(False),
        "double": lambda: nn.Linear(K, C).double(),
        "bfloat16": lambda: nn.Linear(K, C).bfloat16(),
        "complex": lambda: nn.Linear(K, C).to(torch.complex64),
        "lazy": lambda: nn.LazyLinear(C),
        "batch norm": lambda: nn.Sequential(nn.Linear(K, C), nn.BatchNorm1d(C)),
        "convolution": lambda: nn.Conv2d(3, C, 3),
        "embedding": lambda: nn.Embedding(10, C),
        "LSTM": lambda: nn.LSTM(K, C),
        "meta": lambda: nn.Linear(K, C, device="meta"),
        "nan weights": lambda: _filled(float("nan")),
        "abstract": lambda: nn.Module(),
        "scripted": lambda: torch.jit.trace(nn.Linear(K, C), torch.zeros(2, K)),
    }


def _with_generator() -> nn.Module:
    model = nn.Linear(K, C)
    model.lines = (line for line in "abc")
    return model


def _filled(value: float) -> nn.Module:
    model = nn.Linear(K, C)
    nn.init.constant_(model.weight, value)
    return model


_FACTORIES: tuple[Any, ...] = (
    nn.Linear, "chaffinch", "chaffinch:scan", "no_module:f", "os:path", ":", "a:b:c", "x.py:f", "",
    lambda: nn.Linear(K, C), lambda n: nn.Linear(K, n), lambda: None, lambda: 1 / 0, lambda a, b: 1,
)  # fmt: skip


def scan(draw: Draw, folder: Path) -> Call:
    options = draw.options(
        {
            "label": ("label", "y", "target", "nonsense", "a", 0),
            "validation": ((features(draw), codes()), (features(draw), codes() + 1), "nowhere.csv"),
            "epochs": (1, 2),
            "batch_size": (1, 7, 10**30),
            "learning_rate": (1e30, 1e-30, 0.1),
            "weight_decay": (1e30, 0),
            "folds": (0, 1, 2, 25),
            "fold_epochs": (1,),
            "device": ("cpu", "cuda:7", "meta", "mps", "nonsense"),
            "seed": (1, 2**31, 10**30),
            "scorers": ("aum", "all,", "nonsense", ["knn", 1]),
            "select": ("fdr",),
            "fdr": (0.5,),
            "rounds": ("auto", 1),
            "canaries": (True,),
            "repeats": (0, 2),
            "ensemble": (1, 2),
            "dropout_passes": (2,),
            "id_column": ("a", "id", "nonsense", "label"),
            "text_column": ("b", "none", "a,b", ","),
            "sep": (";", "tab", "ab", "\n"),
            "decimal": (",", "x"),
            "encoding": ("utf-16", "nonsense", "utf-8", "base64", "idna"),
            "embedder": ("nowhere",),
            "encoder": ("nowhere", "x:y", "timm:x", 7, len),
            "embeddings": ("nowhere", [1.0], np.zeros((3, 2))),
            "length": (2,),
            "prompt": ("a", "nonsense"),
            "response": ("b",),
            "lora": ("nowhere",),
            "train": (False,),
            "checkpoints": ("nothing*.pt", "["),
            "keep_checkpoints": (True,),
            "strict": (True,),
            "max_pixels": (1,),
            "out": (folder / "run", folder, "\x00", "/dev/null/run", "/proc/run", "x" * 300),
            "overwrite": (True,),
            "ledger": ("none", "postgresql://", "nonsense://x", folder, "/dev/null/x"),
            "known_errors": ([1], np.zeros(N, bool)),
            "nonsense": (1,),
        },
        2,
    )
    data: Any = (features(draw), codes())
    if not options or draw.chance(0.7):
        data = draw.made("data", containers(draw, folder))
    elif draw.chance(0.5):
        named = {f"factory {i}": lambda v=value: v for i, value in enumerate(_FACTORIES)}
        options["model"] = draw.made("model", {**model_makers(), **named})
    # Junk that stands for many epochs, folds or trainings takes long, and tells nothing.
    return lambda: cf.scan(data, **{**_QUICK, "ledger": "none", **options})


def open_data(draw: Draw, folder: Path) -> Call:
    options = draw.options(
        {
            "label": ("label", "nonsense", "a", 0, "b"),
            "id_column": ("a", "id", "label"),
            "text_column": ("b", "none", "a,b"),
            "trainable": (False,),
            "max_pixels": (1, 10),
            "sep": (";", "\n"),
            "encoding": ("utf-16", "nonsense", "hex"),
        },
        1,
    )
    data = draw.made("data", containers(draw, folder))
    return lambda: cf.open_data(data, **options)


def _pair(draw: Draw) -> Any:
    good = features(draw).astype(np.float32)
    return draw.made(
        "data",
        {
            "good": lambda: (torch.from_numpy(good), torch.from_numpy(codes())),
            "good again": lambda: (torch.from_numpy(good), torch.from_numpy(codes())),
            "arrays": lambda: (good, codes()),
            "hostile X": lambda: (draw.made("X", array_makers(good)), torch.from_numpy(codes())),
            "hostile y": lambda: (torch.from_numpy(good), draw.made("y", label_makers())),
            "torch": lambda: torch_data(draw),
            "junk": lambda: draw.one(JUNK),
            "pair of junk": lambda: (draw.one(JUNK), draw.one(JUNK)),
            "mapping": lambda: ({"input": torch.from_numpy(good)}, torch.from_numpy(codes())),
            "out of range": lambda: (torch.from_numpy(good), torch.from_numpy(codes() + C)),
            "nothing": lambda: (torch.zeros(0, K), torch.zeros(0, dtype=torch.long)),
            "endless": Endless,
        },
    )


_LAYERS = (
    "all",
    "last",
    "lora",
    "head",
    "last_block",
    "nonsense",
    "*",
    "layer*",
    nn.Linear,
    [],
    ["weight"],
)
_LOSSES: tuple[Any, ...] = (
    None, nn.CrossEntropyLoss(), nn.CrossEntropyLoss(reduction="none"), nn.MSELoss(), "nonsense",
    lambda x, y: x.sum(1), lambda x, y: x.sum(), lambda x, y: x[:, :2], lambda x, y: 1.0,
    lambda x, y: x.sum(1) * float("nan"), lambda x: x, lambda x, y: x.detach().sum(1),
)  # fmt: skip


def capture(draw: Draw, folder: Path) -> Call:
    model = draw.made("model", model_makers()) if draw.chance(0.5) else nn.Linear(K, C)
    data = _pair(draw)
    options = draw.options(
        {
            "layers": _LAYERS,
            "loss": _LOSSES,
            "batch_size": (1, 7, 10**30),
            "dtype": (torch.float16, torch.float64, torch.int64, torch.complex64),
            "form": ("factored", "dense", "nonsense"),
        }
    )
    return lambda: cf.gradients.capture(model, data, **options).self_dot()


def self_influence(draw: Draw, folder: Path) -> Call:
    model = draw.made("model", model_makers()) if draw.chance(0.4) else nn.Linear(K, C)
    data = _pair(draw)
    options = draw.options(
        {
            "estimator": (*cf.influence.ESTIMATORS, "nonsense"),
            "layers": _LAYERS,
            "loss": _LOSSES,
            "checkpoints": ([model], [], "nothing*", {"a": 1}, [{}], ["nowhere.pt"]),
            "damping": (1.0, 0.0, -1.0, 1e308, "auto"),
            "nonsense": (1,),
        }
    )
    return lambda: cf.self_influence(model, data, **options)


def watch(draw: Draw, folder: Path) -> Call:
    good = torch.from_numpy(features(draw)).float()
    model = draw.made("model", model_makers()) if draw.chance(0.2) else nn.Linear(K, C)
    labels: Any = torch.from_numpy(codes())
    ids: Any = torch.arange(N)
    spoilt = draw.one(("x", "labels", "ids", "outputs", "nothing", "nothing"))
    x: Any = draw.made("X", array_makers(features(draw))) if spoilt == "x" else good
    if spoilt == "labels":
        labels = draw.made("y", label_makers())
    if spoilt == "ids":
        ids = draw.made("ids", label_makers())
    outputs = draw.made("outputs", array_makers(features(draw))) if spoilt == "outputs" else None
    options = draw.options(
        {
            "num_samples": (N, 1, 10**30, np.int64(N)),
            "loss": _LOSSES,
            "policy": ("observe", "small_loss", "nonsense", ["observe", "observe"]),
            "validation": ((good, labels), (good, codes() + 9), (good[:0], codes()[:0])),
            "influence": (0.5, 2),
            "out": (folder / "watch", "\x00", "/dev/null/x"),
            "callbacks": ([print], print),
            "alarms": ("nonsense", ["overconfidence"]),
            "boundary": ("told", 1, 10**30, "nonsense"),
            "num_classes": (2, C, 10**30),
            "groups": (codes(), "ab" * (N // 2)),
            "ids": ([f"i{i}" for i in range(N)], range(N), ["same"] * N),
            "classes": (["a", "b", "c"], ["a", "a", "a"], "abc"),
            "layer": (nn.Linear(K, C), "layer"),
            "optimizer": (torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1),),
            "seed": (1, -1),
            "nonsense": (1,),
        }
    )

    def train() -> Any:
        with cf.watch(model, **{"num_samples": N, "logits": True, **options}) as watched:
            for _ in range(2):
                # The model is the user's, who calls it: what it raises is none of the watch's.
                answer = outputs if outputs is not None else _answer(model, x, good)
                loss = watched.loss(answer, labels, ids)
                if loss.requires_grad:
                    loss.backward()
        return watched.findings()

    return train


def _answer(model: nn.Module, x: Any, good: torch.Tensor) -> Any:
    try:
        return model(x)
    except Exception:
        return good


_FOUND: list[Any] = []


def findings() -> Any:
    """Findings on good data, made once."""
    if not _FOUND:
        draw = Draw("findings", 0)
        _FOUND.append(cf.judge(codes(), probabilities(draw), ids=[f"i{i}" for i in range(N)]))
    return _FOUND[0]


def _listed(draw: Draw) -> list[Any]:
    """N hostile labels in a list."""
    labels = draw.made("labels", label_makers())
    try:
        return list(labels)
    except Exception:  # no iterable
        return [labels] * N


def to_check(draw: Draw, folder: Path) -> Call:
    values = {"count": (1, N, 10**30, -3), "seed": (1, -1, 2**70)}
    options = draw.options(values)
    return lambda: findings().to_check(**options)


def calibrate(draw: Draw, folder: Path) -> Call:
    found = findings()
    ids = found.table["id"].tolist()

    def by_table() -> Any:
        frame = pd.DataFrame({"id": ids, "wrong": [i % 5 == 0 for i in range(N)]})
        name = draw.one(("id", "wrong", "label", "weight", "reviewer"))
        column = draw.made(f"column {name}", label_makers())
        try:
            return frame.assign(**{name: column})
        except Exception:  # pandas itself cannot hold it
            return frame

    answers = draw.made(
        "answers",
        {
            "good": lambda: dict.fromkeys(ids[:5], True),
            "labels": lambda: dict(zip(ids, _listed(draw), strict=False)),
            "table": by_table,
            "table again": by_table,
            "junk": lambda: draw.one(JUNK),
            "ids of junk": lambda: {key: True for key in JUNK if key.__hash__ is not None},
            "answers of junk": lambda: {ids[i % N]: value for i, value in enumerate(JUNK)},
            "all": lambda: dict.fromkeys(ids, draw.one((True, False, None, 0, 2, "1", 1.0))),
            "one": lambda: {ids[0]: draw.one((True, False, None, 0, 2, "1", 1.0, np.nan))},
            "twice": lambda: pd.DataFrame({"id": ids[:1] * 4, "wrong": [True, False] * 2}),
            "no rows": lambda: pd.DataFrame({"id": [], "wrong": []}),
            "repeated columns": lambda: pd.DataFrame([["i0", "i0", True]], columns=["id", "id", "wrong"]),
            "levels": lambda: pd.DataFrame(
                [["i0", True]], columns=pd.MultiIndex.from_tuples([("id", ""), ("wrong", "")])
            ),
        },
    )  # fmt: skip
    return lambda: found.calibrate(answers)


def repair(draw: Draw, folder: Path) -> Call:
    """`propose`, then `apply` to hostile data or with hostile options."""
    data: Any = (features(draw), codes())
    found = cf.judge(codes(), probabilities(draw), ids=cf.open_data(data).ids)
    policy = draw.one(
        ("balanced", "strict", "gentle", "nonsense", "nowhere.toml", Path("x"), folder, *JUNK)
    )
    draw.told.append(f"policy={policy!r}")
    if draw.chance(0.4):
        return lambda: cf.propose(found, policy, fingerprint=draw.one(("", "x", None, 3)))
    plan = cf.propose(found, draw.one(("balanced", "strict", "gentle")))
    options = draw.options(
        {
            "label": ("label",),
            "out": (folder / "out.csv", folder, "\x00", "x" * 300),
            "overwrite": (True,),
            "links": (True,),
            "weights": (True,),
            "seed": (1, -1, 2**70),
            "nonsense": (1,),
        },
        1,
    )
    edit = {"id": str(found.table["id"][0]), "action": "trim"}
    fields = ("id", "action", "new_label", "weight", "copies", "soft_label", "confidence", "kind")
    shape = draw.number(0, 4)
    if shape == 0:
        data = draw.made("data", containers(draw, folder))
        return lambda: cf.repair.apply(plan, data, **options)
    if shape == 1:
        name, value = (
            draw.one(fields),
            draw.one((*JUNK, "relabel", "soften", "reweight", "augment")),
        )
        draw.told.append(f"edit with {name}={value!r}")
        return lambda: cf.repair.apply(
            cf.Plan((cf.Edit(**{**edit, name: value}),)), data, **options
        )
    if shape == 2:
        file = draw.made("plan", file_makers(folder))
        read = cf.Plan.from_json if draw.chance(0.5) else cf.Plan.from_csv
        return lambda: read(file)
    return lambda: cf.repair.apply(draw.one((plan, *JUNK)), data, **options)


TARGETS: dict[str, tuple[Callable[[Draw, Path], Call], int]] = {
    "judge": (judge, 5),
    "scan": (scan, 4),
    "open_data": (open_data, 4),
    "watch": (watch, 3),
    "capture": (capture, 3),
    "self_influence": (self_influence, 3),
    "to_check": (to_check, 1),
    "calibrate": (calibrate, 2),
    "repair": (repair, 3),
}
"""What is called, and in how many of each 36 calls."""
