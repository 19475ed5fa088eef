"""The same influence by captum, dattri, kronfluence and Chaffinch: seconds and agreement.

    OMP_NUM_THREADS=2 python -m benchmarks.influence.peers [--samples N]

Last layer (I = 64, C = 10) of a small net, N = 2,000 samples, M = 200 targets; a ratio under 1 is
a loss of Chaffinch. A library that is not installed, fails or takes longer than a limit is a row
with its reason. Peers get batches that suit them: dattri's DataInf solves for the targets again for
every batch of samples, so it gets all samples in one. kronfluence keeps factors and scores in
files, which its seconds include; its last step is the damped inverse with eigenvalues corrected to
the gradients, as ours. Where labels are sampled, they differ with the seed, and the last row tells
by how much two seeds of our own differ.
"""

import argparse
import copy
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset

import chaffinch.influence as ci

DAMPING = 0.01
LIMIT = 20
Run = Callable[[], Tensor]


def make(samples: int, targets: int = 200) -> tuple[nn.Module, TensorDataset, TensorDataset]:
    """A net after a little training, its data and targets."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 10))
    rule = torch.randn(32, 10)
    x = torch.randn(samples + targets, 32)
    y = (x @ rule).argmax(1)
    solver = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(100):
        solver.zero_grad()
        loss = nn.functional.cross_entropy(net(x[:samples]), y[:samples])
        loss.backward()  # type: ignore[no-untyped-call]
        solver.step()
    data = TensorDataset(x[:samples], y[:samples])
    return net.eval(), data, TensorDataset(x[samples:], y[samples:])


def ours(
    net: nn.Module, data: TensorDataset, targets: TensorDataset, name: str, seed: int = 0
) -> Run:
    """Chaffinch on the same tensors."""
    name, _, labels = name.partition("-")
    options: dict[str, Any] = {} if name == "tracin" else {"damping": DAMPING}
    if labels:
        options |= {"labels": labels, "seed": seed}
    pair, asked = (tuple(one.tensors) for one in (data, targets))
    return lambda: ci.attribute(net, pair, asked, name, "last", **options)


def captum_tracin(net: nn.Module, data: TensorDataset, targets: TensorDataset) -> Run:
    """TracInCPFast, which is made for the last layer."""
    from captum.influence import TracInCPFast

    checkpoint = Path(tempfile.mkdtemp()) / "net.pt"
    torch.save(net.state_dict(), checkpoint)
    tracin = TracInCPFast(
        net,
        net.get_submodule("2"),
        data,
        [str(checkpoint)],
        loss_fn=nn.CrossEntropyLoss(reduction="sum"),
        batch_size=256,
    )
    return lambda: tracin.influence(targets.tensors).T


def dattri_run(kind: str, net: nn.Module, data: TensorDataset, targets: TensorDataset) -> Run:
    """The attributors of dattri that answer to the same definition."""
    from dattri.algorithm import influence_function as influence
    from dattri.algorithm.tracin import TracInAttributor
    from dattri.task import AttributionTask

    def loss(parameters: dict[str, Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        x, y = batch
        return nn.functional.cross_entropy(functional_call(net, parameters, (x,)), y)

    def single(parameters: dict[str, Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
        x, y = batch
        outputs = functional_call(net, parameters, (x[None],))
        return nn.functional.cross_entropy(outputs, y[None])

    projected, kind = kind.endswith("projected"), kind.removesuffix("-projected")
    # TracIn there hands over bare samples, the influence functions batches of one.
    function = single if kind == "tracin" else loss
    task = AttributionTask(function, net, net.state_dict(), target_func=function)
    names = ["2.weight", "2.bias"]
    batches = {"tracin": (256, 256), "exact": (len(data), len(data)), "datainf": (len(data), 50)}
    sizes = zip((data, targets), batches[kind], strict=True)
    loaders = [DataLoader(one, batch_size=batch) for one, batch in sizes]
    if kind == "tracin":
        tracin = TracInAttributor(task, torch.ones(1), False, layer_name=names)
        if not projected:  # its constructor takes None for the 512 dimensions of its default
            tracin.projector_kwargs = None
        return lambda: tracin.attribute(*loaders)
    make_one = {"exact": influence.IFAttributorExplicit, "datainf": influence.IFAttributorDataInf}
    one = make_one[kind](task, layer_name=names, regularization=DAMPING)

    def run() -> Tensor:
        one.cache(loaders[0])
        values: Tensor = one.attribute(*loaders)
        return values

    return run


def kronfluence_run(
    labels: str, net: nn.Module, data: TensorDataset, targets: TensorDataset
) -> Run:
    """EK-FAC of the last layer, its factors fitted anew in every run."""
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task

    class Classification(Task):  # type: ignore[misc]
        def compute_train_loss(
            self, batch: tuple[Tensor, Tensor], model: nn.Module, sample: bool = False
        ) -> Tensor:
            x, y = batch
            outputs = model(x)
            if sample:
                y = torch.multinomial(outputs.detach().softmax(1), 1)[:, 0]
            return nn.functional.cross_entropy(outputs, y, reduction="sum")

        def compute_measurement(self, batch: tuple[Tensor, Tensor], model: nn.Module) -> Tensor:
            return self.compute_train_loss(batch, model)

        def get_influence_tracked_modules(self) -> list[str]:
            return ["2"]

    task, place = Classification(), tempfile.mkdtemp()
    model = prepare_model(copy.deepcopy(net), task)
    analyzer = Analyzer("peer", model, task, cpu=True, disable_tqdm=True, output_dir=place)
    factors = FactorArguments(use_empirical_fisher=labels == "empirical")
    scores = ScoreArguments(damping_factor=DAMPING)

    def run() -> Tensor:
        again: dict[str, Any] = {"overwrite_output_dir": True}
        analyzer.fit_all_factors("f", data, 256, factor_args=factors, **again)
        analyzer.compute_pairwise_scores(
            "s", "f", targets, data, len(targets), 256, score_args=scores, **again
        )
        values: Tensor = analyzer.load_pairwise_scores("s")["all_modules"].T
        return values

    return run


def too_long(*_: object) -> None:
    """What the alarm does."""
    raise TimeoutError(f"one run takes over {LIMIT} s")


def clock(run: Run) -> tuple[float, Tensor]:
    """Median seconds of three runs after one for warming up, and the values.

    Raises:
        TimeoutError: One run takes over `LIMIT` seconds.
    """
    seconds, values = [], torch.zeros(())
    signal.signal(signal.SIGALRM, too_long)
    for _ in range(4):
        signal.alarm(LIMIT)
        start = time.perf_counter()
        values = run()
        seconds.append(time.perf_counter() - start)
        signal.alarm(0)
    return sorted(seconds[1:])[1], values.detach()


def row(name: str, peer: str, own: Run, build: Callable[[], Run]) -> str:
    """One row of the table; a failure of the peer is its text."""
    own_seconds, expected = clock(own)
    try:
        seconds, values = clock(build())
    except Exception as error:
        signal.alarm(0)
        reason = " ".join(str(error).split())[:80]
        return f"| {name} | {peer} | {type(error).__name__}: {reason} | {own_seconds:.3f} | | | |"
    pair = values.flatten().numpy(), expected.flatten().numpy()
    return (
        f"| {name} | {peer} | {seconds:.3f} | {own_seconds:.3f} | {seconds / own_seconds:.1f} "
        f"| {np.corrcoef(*pair)[0, 1]:.4f} | {spearmanr(*pair).statistic:.4f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=2000)
    case = make(parser.parse_args().samples)
    warnings.simplefilter("ignore")
    rows: list[tuple[str, str, str, Callable[[], Run]]] = [
        ("TracIn", "tracin", "captum `TracInCPFast`", lambda: captum_tracin(*case)),
        (
            "TracIn",
            "tracin",
            "dattri `TracInAttributor`, no projection",
            lambda: dattri_run("tracin", *case),
        ),
        (
            "TracIn",
            "tracin",
            "the same as it comes (512 random dimensions)",
            lambda: dattri_run("tracin-projected", *case),
        ),
        (
            "exact Hessian",
            "exact",
            "dattri `IFAttributorExplicit`",
            lambda: dattri_run("exact", *case),
        ),
        (
            "DataInf",
            "datainf",
            "dattri `IFAttributorDataInf`",
            lambda: dattri_run("datainf", *case),
        ),
        (
            "EK-FAC, given labels",
            "ekfac-empirical",
            "kronfluence",
            lambda: kronfluence_run("empirical", *case),
        ),
        (
            "EK-FAC, sampled labels",
            "ekfac-sampled",
            "kronfluence",
            lambda: kronfluence_run("sampled", *case),
        ),
        (
            "EK-FAC, other sampled labels",
            "ekfac-sampled",
            "Chaffinch, seed 1",
            lambda: ours(*case, "ekfac-sampled", seed=1),
        ),
    ]
    print(f"{torch.get_num_threads()} threads\n")
    print("| work | peer | peer s | Chaffinch s | peer / ours | correlation | rank correlation |")
    print("|---|---|---|---|---|---|---|")
    for title, name, peer, build in rows:
        print(row(title, peer, ours(*case, name), build), flush=True)


if __name__ == "__main__":
    main()
