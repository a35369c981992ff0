"""What came of a run: one row of the run table, whose columns are the fields here."""

from __future__ import annotations

import platform
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jax

Cell = str | int | float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One row. A value that there is none of is None here and an empty cell in the table, never 0.

    The first fields are the columns of `bayes_dsl.runs.schema`; the rest are free columns.

    Attributes
    ----------
    tokens : int
        What was truly trained on: steps * batch_tokens.
    flops : float
        Training compute of the network itself: 3 F(N) per token, as `bayes_dsl.costs` counts F.
    flops_teacher_forward : float or None
        F(N_T) per token, as if the run had the teacher to itself.
    loss, loss_se
        On the evaluation windows; `loss_se` is that of `excess` where there is one. None in a diverged run.
    data_order : str or None
        None: whoever reads the table says whether `data_seed` is to have an effect (`--columns data_order=data_seed`).
    cpu_seconds, wall_seconds : float
        Runs that were trained together share the time in proportion to their FLOPs, so that rows add up.
    train_loss_last : float or None
        Next-token loss in training, mean of the last 50 steps.
    resumed : int
        How often the run went on from a checkpoint.
    """

    run_id: str
    role: Literal["supervised", "distilled"]
    params: int
    tokens: int
    loss: float | None = None
    teacher_loss: float | None = None
    loss_se: float | None = None
    teacher_loss_se: float | None = None
    seed: int
    group: str | None = None
    eval_id: str
    data_order: str | None = None
    teacher_id: str | None = None
    teacher_params: int | None = None
    teacher_tokens: int | None = None
    flops: float
    unique_tokens: int
    counting: Literal["non_embedding"] = "non_embedding"
    status: Literal["ok", "diverged", "unfinished"]

    excess: float | None = None
    bits_per_byte: float | None = None
    kl_teacher_student: float | None = None
    top1_agreement: float | None = None
    ece: float | None = None
    train_loss_last: float | None = None
    corpus_id: str
    corpus_sha256: str
    tokenizer_id: str
    part: Literal["teacher", "student"]
    data_seed: int
    trunk_id: str | None = None
    mixing: float | None = None
    temperature: float | None = None
    divergence: str | None = None
    top_k: int | None = None
    top_p: float | None = None
    teacher_logits: Literal["float32", "float16"] | None = None
    params_total: int
    layers: int
    width: int
    ffn_width: int
    heads: int
    head_size: int
    vocabulary: int
    context: int
    base_width: int
    compute: str
    batch_tokens: int
    micro_tokens: int
    steps: int
    warmup_steps: int
    schedule: str
    peak_rate: float
    final_rate: float
    cooldown_share: float | None = None
    weight_decay: float
    beta1: float
    beta2: float
    epsilon: float
    clip: float
    z_weight: float
    flops_teacher_forward: float | None = None
    cpu_seconds: float
    wall_seconds: float
    resumed: int
    started_at: str
    git_rev: str | None = None
    jax_version: str
    device: str

    def row(self) -> dict[str, Cell]:
        """The row of the run table; what there is none of is an empty cell."""
        cells = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: "" if value is None else value for name, value in cells.items()}

    def record(self) -> dict[str, Any]:
        """The outcome as JSON-able data, `Outcome(**record)` is the outcome again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@cache
def made_by() -> dict[str, str | None]:
    """What the runs of this process are made by: `git_rev`, `jax_version`, `device`."""
    device = jax.devices()[0]
    name = _processor() if device.platform == "cpu" else device.device_kind
    return {
        "git_rev": _git_revision(Path(__file__).parent.parent),
        "jax_version": jax.__version__,
        "device": name,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git_revision(checkout: Path) -> str | None:
    """The commit that is checked out, read from its files; None outside a plain checkout."""
    git = checkout / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).is_file():
            return (git / name).read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except OSError:
        return None
