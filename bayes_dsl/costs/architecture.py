"""How many parameters a transformer of a given shape has, and how many FLOPs its forward pass takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from bayes_dsl.costs.checks import as_written, label, text_faults, whole
from bayes_dsl.errors import Fault, InputError, UnknownName


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The shape of a decoder-only transformer with tied embeddings, pre-norms, QK-norms and causal attention.

    Norms have gains and no biases; the linear layers have no biases.

    Attributes
    ----------
    name : str
        What tables call it.
    layers, width : int
        Number of layers (n_layers); width of the residual stream (d_model).
    ffn_width, ffn_matrices : int
        Inner width of the feed-forward block (d_ffn); its matrices (n_ffn): 3 where it is gated, else 2.
    heads, kv_heads, head_size : int
        Query heads (n_heads), key and value heads (n_kv, of which n_heads is a multiple), width of a head.
    vocabulary, context : int
        Size of the vocabulary (n_vocab), tokens in a sequence (n_ctx).

    Raises
    ------
    InputError
        A number is not whole and above 0, or the heads do not share the key and value heads evenly; every
        breach is listed.

    Notes
    -----
    Busbridge et al., Distillation Scaling Laws, arXiv 2502.08606, appendix H (the columns "ours").
    """

    name: str = "unnamed"
    layers: int
    width: int
    ffn_width: int
    heads: int
    kv_heads: int
    head_size: int
    ffn_matrices: int = 3
    vocabulary: int
    context: int

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise InputError(faults)
        for what in _COUNTS:
            object.__setattr__(self, what, int(getattr(self, what)))

    def _faults(self) -> Iterator[Fault]:
        where = f"architecture {label(self.name)}"
        yield from text_faults(self.name, where=where, what="name")
        unsound = [what for what in _COUNTS if (whole(getattr(self, what)) or 0) < 1]
        for what in unsound:
            value = as_written(getattr(self, what))
            rule, remedy = "must be a whole number of 1 or more", "Take it from the network's configuration"
            yield Fault(where=where, what=what, value=value, rule=rule, remedy=remedy)
        if not {"heads", "kv_heads"} & set(unsound) and self.heads % self.kv_heads:
            rule = f"the {self.heads} heads must share them evenly"
            remedy = "Give a divisor of heads; kv_heads equals heads in plain multi-head attention"
            yield Fault(where=where, what="kv_heads", value=f"{self.kv_heads}", rule=rule, remedy=remedy)

    @property
    def params(self) -> int:
        """N: parameters without the embedding, with the norms' gains.

        n_layers (2 (n_heads + n_kv) d_head d + n_ffn d d_ffn + 2 d + 2 d_head) + d.
        """
        attention = 2 * (self.heads + self.kv_heads) * self.head_size * self.width
        ffn = self.ffn_matrices * self.width * self.ffn_width
        norms = 2 * self.width + 2 * self.head_size
        return self.layers * (attention + ffn + norms) + self.width

    @property
    def params_total(self) -> int:
        """Parameters with the embedding: N + n_vocab d."""
        return self.params + self.vocabulary * self.width

    @property
    def forward_flops(self) -> float:
        """Forward FLOPs per token, every term: embedding, attention with softmax, feed-forward, final logits.

        2 d + n_layers (4 (n_heads + n_kv) d_head d + 2 n_ctx n_heads d_head + 2.5 n_heads n_ctx
        + 2 n_ffn d d_ffn) + 2 n_vocab d; norms count nothing, attention looks back only.
        """
        projections = 4 * (self.heads + self.kv_heads) * self.head_size * self.width
        attention = 2 * self.context * self.heads * self.head_size + 2.5 * self.heads * self.context
        ffn = 2 * self.ffn_matrices * self.width * self.ffn_width
        ends = 2 * self.width + 2 * self.vocabulary * self.width
        return float(self.layers * (projections + attention + ffn) + ends)

    @property
    def forward_flops_short(self) -> float:
        """Forward FLOPs per token, the large terms: 2 N + 2 n_layers n_ctx n_heads d_head + 2 n_vocab d.

        Eq. 59 of the paper, "2N + sigma", where n_heads d_head is the width; Eq. 58 lacks the last term.
        """
        attention = 2 * self.layers * self.context * self.heads * self.head_size
        return float(2 * self.params + attention + 2 * self.vocabulary * self.width)


_COUNTS = tuple(field.name for field in fields(Architecture) if field.name != "name")


def _of_the_paper(name: str, layers: int, ffn_width: int) -> Architecture:
    return Architecture(
        name=name,
        layers=layers,
        width=128 * layers,
        ffn_width=ffn_width,
        heads=16,
        kv_heads=16,
        head_size=8 * layers,
        vocabulary=32768,
        context=4096,
    )


TABLE_13 = tuple(
    _of_the_paper(name, layers, ffn_width)
    for layers, (name, ffn_width) in enumerate(
        (
            ("103M", 2816),
            ("143M", 3072),
            ("198M", 3456),
            ("266M", 3840),
            ("340M", 4096),
            ("435M", 4480),
            ("546M", 4864),
            ("664M", 5120),
            ("810M", 5504),
            ("975M", 5888),
            ("1.15B", 6144),
            ("1.35B", 6528),
            ("1.59B", 6912),
            ("1.82B", 7168),
            ("2.1B", 7552),
            ("2.41B", 7936),
            ("2.72B", 8192),
            ("3.08B", 8576),
            ("3.48B", 8960),
            ("3.87B", 9216),
            ("4.33B", 9600),
            ("4.82B", 9984),
            ("5.31B", 10240),
            ("5.87B", 10624),
            ("6.48B", 11008),
            ("7.07B", 11264),
            ("7.75B", 11648),
            ("8.47B", 12032),
            ("9.17B", 12288),
            # Printed as 12672, which does not give the printed N.
            ("10B", 12800),
            ("10.8B", 13056),
            ("11.7B", 13312),
            ("12.6B", 13696),
        ),
        start=8,
    )
)
"""The 33 architectures of the paper's Table 13, smallest first.

Head counts are not printed: 16 heads, which divide every width, are our choice. It changes N in no printed
digit and the full count of FLOPs by at most 0.05 %.
"""


def architecture(name: str) -> Architecture:
    """The architecture of Table 13 of that name, such as 546M or 1.82B.

    Raises
    ------
    UnknownName
        The table has none of that name; the message lists those that there are.

    Examples
    --------
    >>> architecture("1.82B").width
    2688
    """
    for known in TABLE_13:
        if known.name == name:
            return known
    rule = "Table 13 has no architecture of this name"
    remedy = f"Choose one of {', '.join(known.name for known in TABLE_13)}"
    raise UnknownName(Fault(where="architecture", what="name", value=label(name), rule=rule, remedy=remedy))
