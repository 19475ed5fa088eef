"""Blocks (N, T, 4) to (N, T, 4) that real models are built of, and nets of some of them."""

import torch
import torch.nn.functional as F
from torch import nn

WIDTH = 4


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(WIDTH, WIDTH)
        self.b = nn.Linear(WIDTH, WIDTH)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRU(WIDTH, WIDTH, batch_first=True)

    def forward(self, x):
        return self.cell(x)[0]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, x):
        return x + self.mix(x, x, x, need_weights=False)[0]


class TokenExperts(Layer):
    """Each token takes one of two experts, whose rows are of any samples."""

    def forward(self, x):
        flat = x.flatten(0, 1)
        chosen, out = flat[:, 0] > flat[:, 1], torch.zeros_like(flat)
        for expert, at in ((self.a, chosen), (self.b, ~chosen)):
            places = at.nonzero()[:, 0]
            if len(places):
                out = out.index_add(0, places, expert(flat[places]).tanh())
        return out.view_as(x)


class SampleExperts(Layer):
    def forward(self, x):
        chosen, out = x.sum((1, 2)) > 0, x.clone()
        for expert, at in ((self.a, chosen), (self.b, ~chosen)):
            out[at] = expert(x[at]).sin()
        return out


class Sorting(Layer):
    """Samples in the order of their sums inside, put back at the end."""

    def forward(self, x):
        order = x.detach().sum((1, 2)).argsort()
        return self.a(x[order]).tanh()[order.argsort()] + x


class SortingByMatrix(Layer):
    def forward(self, x):
        order = torch.eye(len(x), dtype=x.dtype)[x.detach().sum((1, 2)).argsort()]
        return (order.T @ self.a(order @ x.flatten(1).view(len(x), -1, WIDTH).mean(1)).sin())[
            :, None
        ] + x


class SortingByList(Layer):
    def forward(self, x):
        order = x.detach().sum((1, 2)).argsort().tolist()
        out = self.a(torch.stack([x[i] for i in order])).sin()
        return torch.stack([out[order.index(i)] for i in range(len(x))])


class Reversing(Layer):
    def forward(self, x):
        return self.a(x.flip(0)).sin().flip(0)


class TokensFirst(Layer):
    def forward(self, x):
        return self.a(x.transpose(0, 1)).sin().transpose(0, 1)


class Unpadding(Layer):
    """Only some tokens go through the layer."""

    def forward(self, x):
        real, out = x[..., 0] > -0.3, x.clone()
        out[real] = self.a(x[real]).tanh()
        return out


class InPlace(Layer):
    def forward(self, x):
        z = self.a(x)
        z *= 0.7
        return self.b(z.relu_()).sigmoid_()


class Twice(Layer):
    def forward(self, x):
        return self.a(self.a(x).sin()).tanh()


class OutsideToo(Layer):
    """The weight of one layer is used by its module and besides."""

    def forward(self, x):
        return self.a(x).sin() + F.linear(x.cos(), self.a.weight) * 1e-2


class Cosine(Layer):
    def forward(self, x):
        return F.linear(F.normalize(x, dim=-1), F.normalize(self.a.weight, dim=-1)) + x


class Optional(Layer):
    """A branch that few samples take, by the weight without its module."""

    def forward(self, x):
        taken = (x[:, :1, :1] > 0.8).to(x.dtype)
        return x + taken * F.linear(x, self.a.weight, self.a.bias)


class Closed(Layer):
    """Reads a weight by another reference than its attribute."""

    def __init__(self):
        super().__init__()
        self.kept = [self.a.weight, self.b.weight]

    def forward(self, x):
        if self.kept[0].dtype != x.dtype:
            self.kept = [self.a.weight, self.b.weight]
        return F.linear(x, self.kept[0]).sin() + self.b(x)


class Hooked(Layer):
    def __init__(self):
        super().__init__()
        self.a.register_forward_hook(lambda _m, _i, out: 2 * out)

    def forward(self, x):
        return self.a(x).sin()


class Scaled(Layer):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, x):
        return self.a(x).sin() * self.scale


class WeightNorm(Layer):
    def __init__(self):
        super().__init__()
        nn.utils.parametrizations.weight_norm(self.a)

    def forward(self, x):
        return self.a(x).tanh()


class SpectralNorm(Layer):
    def __init__(self):
        super().__init__()
        nn.utils.spectral_norm(self.a)

    def forward(self, x):
        return self.a(x).tanh()


class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(WIDTH, WIDTH, 3, padding=1)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x):
        return self.norm(self.conv(x.mT).mT.relu())


class Positional(Layer):
    """A layer that sees no samples at all."""

    def forward(self, x):
        places = torch.linspace(-1, 1, x.shape[1] * WIDTH, dtype=x.dtype).view(-1, WIDTH)
        return x + self.a(places).sin()


class Centred(Layer):
    """Samples see one another."""

    def forward(self, x):
        z = self.a(x).sin()
        return z - z.mean(0, keepdim=True) / 2


class BroadcastOver(Layer):
    """Samples see one another by broadcasting; all pairs (N, N)."""

    def forward(self, x):
        z = self.a(x.mean(1)).sin()
        return x + (z + z[:, None]).mean(1)[:, None]


class Longest(Layer):
    """The mean over as many tokens as the longest sample of the batch has."""

    def forward(self, x):
        count = int((x[..., 0] > 0).sum(1).max()) + 1
        return x + self.a(x[:, :count]).sin().mean(1, keepdim=True)


SAFE = (
    Recurrent, Attention, InPlace, Twice, OutsideToo, Cosine, Closed, Hooked, Scaled, WeightNorm,
    SpectralNorm, Convolution, Positional, Reversing, TokensFirst,
)  # fmt: skip
ROUTED = (
    TokenExperts, SampleExperts, Sorting, SortingByMatrix, SortingByList, Unpadding, Optional,
)  # fmt: skip
MIXING = (Centred, BroadcastOver, Longest)


class Net(nn.Module):
    """Blocks between an input of several kinds and a head that may be tied to the table."""

    def __init__(self, blocks, kind, tied=False):
        super().__init__()
        self.kind = kind
        self.table = nn.Embedding(7, WIDTH, padding_idx=0)
        self.blocks = nn.ModuleList(block() for block in blocks)
        self.head = nn.Linear(WIDTH, 7)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, x, mask=None):
        z = x if self.kind == "floats" else self.table(x)
        for block in self.blocks:
            z = block(z)
        if mask is None:
            return self.head(z.mean(1))
        return self.head((z * mask[..., None].to(z.dtype)).sum(1))


def draw_inputs(kind, count, positions, seed):
    """Floats (N, T, 4), tokens, a mapping, or a tuple of tokens and mask."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "floats":
        return torch.randn(count, positions, WIDTH, generator=generator, dtype=torch.float64)
    tokens = torch.randint(7, (count, positions), generator=generator)
    if seed % 3 == 0:
        tokens[:2] = 0  # nothing but padding
    if kind == "tokens":
        return tokens
    mask = (tokens > 0).double()
    return {"x": tokens, "mask": mask} if kind == "mapping" else (tokens, mask)


def row_of(x, i):
    if isinstance(x, dict):
        return {name: row_of(part, i) for name, part in x.items()}
    return tuple(row_of(part, i) for part in x) if isinstance(x, tuple) else x[i : i + 1]


def one_by_one(model, x, y):
    """(N, P) the gradient of each sample alone by plain autograd, in float32 or more."""
    model.eval()
    parameters, rows = list(model.parameters()), []
    kind = parameters[0].dtype
    for i in range(len(y)):
        one = row_of(x, i)
        parts = one.values() if isinstance(one, dict) else one if isinstance(one, tuple) else [one]
        given = [p.to(kind) if p.is_floating_point() else p for p in parts]
        loss = F.cross_entropy(
            model(*given).to(torch.promote_types(kind, torch.float32)), y[i : i + 1]
        )
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        pairs = zip(found, parameters, strict=True)
        filled = [torch.zeros_like(p) if g is None else g for g, p in pairs]
        rows.append(torch.cat([g.reshape(-1).to(loss.dtype) for g in filled]))
    return torch.stack(rows)
