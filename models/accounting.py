"""How many parameters a network holds and how many FLOPs its forward pass takes, by group, from its own arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from models.config import Network
from models.transformer import Params, shapes

_ATTENTION = ("query", "key", "value", "output")
_FFN = ("gate", "up", "down")


@dataclass(frozen=True, kw_only=True)
class Group:
    """One part of a network: its parameters, and its forward FLOPs per token."""

    params: int
    forward_flops: float


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Parameters and forward FLOPs per token by group; the readout is tied and holds no parameters of its own.

    Notes
    -----
    Busbridge et al., arXiv 2502.08606, appendix H, the columns "ours": attention looks back only, norms count
    no FLOPs, an embedding is 2 d.
    """

    embedding: Group
    attention: Group
    ffn: Group
    norms: Group
    readout: Group

    @property
    def groups(self) -> dict[str, Group]:
        """The groups by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def params_total(self) -> int:
        """All parameters."""
        return sum(group.params for group in self.groups.values())

    @property
    def params(self) -> int:
        """N: parameters without the embedding, with the norms' gains."""
        return self.params_total - self.embedding.params

    @property
    def forward_flops(self) -> float:
        """Forward FLOPs per token."""
        return sum(group.forward_flops for group in self.groups.values())


def count(network: Network) -> Counts:
    """Count a network's arrays; nothing is allocated.

    A matrix takes 2 FLOPs for each of its entries; scores and mixed values, each n_ctx n_heads d_head, half of
    what a look in both directions would take; a softmax 2.5 for each of n_heads n_ctx.
    """
    shape, tree = network.architecture, shapes(network)
    projections = _entries(tree, _ATTENTION)
    gated = _entries(tree, _FFN)
    embedding = math.prod(tree["embedding"].shape)
    norms = sum(math.prod(x.shape) for layer in tree["layers"] for name, x in layer.items() if "norm" in name)
    looks = len(tree["layers"]) * shape.heads * shape.context
    attention = 2 * projections + 2 * looks * shape.head_size + 2.5 * looks
    return Counts(
        embedding=Group(params=embedding, forward_flops=2.0 * tree["embedding"].shape[1]),
        attention=Group(params=projections, forward_flops=attention),
        ffn=Group(params=gated, forward_flops=2.0 * gated),
        norms=Group(params=norms + math.prod(tree["norm"].shape), forward_flops=0.0),
        readout=Group(params=0, forward_flops=2.0 * embedding),
    )


def _entries(tree: Params, names: tuple[str, ...]) -> int:
    return sum(math.prod(layer[name].shape) for layer in tree["layers"] for name in names)
