"""The same influence by captum, dattri and Chaffinch: seconds and agreement, losses shown too.

    OMP_NUM_THREADS=2 python -m benchmarks.influence.peers [--samples N]

Last layer (I = 64, C = 10) of a small net, N = 2,000 samples, M = 200 targets. A library that is
not installed, or an API that fails, is a row with its reason.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset

import chaffinch.influence as ci

DAMPING = 0.01
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
        nn.functional.cross_entropy(net(x[:samples]), y[:samples]).backward()
        solver.step()
    data = TensorDataset(x[:samples], y[:samples])
    return net.eval(), data, TensorDataset(x[samples:], y[samples:])


def ours(net: nn.Module, data: TensorDataset, targets: TensorDataset, name: str) -> Run:
    """Chaffinch on the same tensors."""
    options = {"damping": DAMPING} if name in ("exact", "cg", "datainf") else {}
    pairs = [tuple(one.tensors) for one in (data, targets)]
    return lambda: ci.attribute(net, *pairs, name, "last", **options)


def captum_tracin(net: nn.Module, data: TensorDataset, targets: TensorDataset) -> Run:
    """TracInCPFast, which is made for the last layer."""
    from captum.influence import TracInCPFast

    checkpoint = Path(tempfile.mkdtemp()) / "net.pt"
    torch.save(net.state_dict(), checkpoint)
    tracin = TracInCPFast(
        net,
        net[2],
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

    whole = kind == "exact"
    # TracIn there hands over bare samples, the influence functions batches of one.
    function = single if kind == "tracin" else loss
    task = AttributionTask(function, net, net.state_dict(), target_func=function)
    names = ["2.weight", "2.bias"]
    batch = len(data) if whole else 256
    loaders = [DataLoader(one, batch_size=batch) for one in (data, targets)]
    if kind == "tracin":
        tracin = TracInAttributor(task, torch.ones(1), False, layer_name=names)
        return lambda: tracin.attribute(*loaders)
    make_one = {"exact": influence.IFAttributorExplicit, "datainf": influence.IFAttributorDataInf}
    one = make_one[kind](task, layer_name=names, regularization=DAMPING)

    def run() -> Tensor:
        one.cache(loaders[0])
        return one.attribute(*loaders)

    return run


def clock(run: Run) -> tuple[float, Tensor]:
    """Median seconds of three runs after one for warming up, and the values."""
    values, seconds = run(), []
    for _ in range(3):
        start = time.perf_counter()
        values = run()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[1], values.detach()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=2000)  # dattri's DataInf takes minutes
    case = make(parser.parse_args().samples)
    warnings.simplefilter("ignore")
    rows: list[tuple[str, str, Callable[[], Run]]] = [
        ("tracin", "captum TracInCPFast", lambda: captum_tracin(*case)),
        ("tracin", "dattri TracInAttributor", lambda: dattri_run("tracin", *case)),
        ("exact", "dattri IFAttributorExplicit", lambda: dattri_run("exact", *case)),
        ("datainf", "dattri IFAttributorDataInf", lambda: dattri_run("datainf", *case)),
    ]
    print(f"{torch.get_num_threads()} threads\n")
    print("| work | peer | peer s | Chaffinch s | peer / ours | correlation |")
    print("|---|---|---|---|---|---|")
    for name, peer, build in rows:
        own_seconds, own = clock(ours(*case, name))
        try:
            seconds, values = clock(build())
        except Exception as error:
            reason = " ".join(str(error).split())[:80]
            print(f"| {name} | {peer} | {type(error).__name__}: {reason} | {own_seconds:.3f} | | |")
            continue
        agreement = np.corrcoef(values.flatten().numpy(), own.flatten().numpy())[0, 1]
        print(
            f"| {name} | {peer} | {seconds:.3f} | {own_seconds:.3f} "
            f"| {seconds / own_seconds:.1f} | {agreement:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
