"""The columns of a run table, as data: documentation, checks and error texts are all made from these rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["label", "choice", "count", "loss"]
Needed = Literal["always", "if ok", "if distilled", "optional"]

ROLES = ("supervised", "distilled")
COUNTINGS = ("non_embedding", "total")
STATUSES = ("ok", "diverged", "unfinished")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the run table.

    `kind` says how a cell is read: a label is any text, a choice one of `choices`, a count a positive
    number that may be written `1.3B`, a loss a positive plain number. `needed` says which rows must
    have it; `rule` completes the sentence "must be ..."; `remedy` is the next step for who broke it.
    """

    name: str
    kind: Kind
    needed: Needed
    unit: str
    meaning: str
    rule: str
    remedy: str
    choices: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers (NaN where empty) rather than text ("" where empty)."""
        return self.kind in ("count", "loss")


_COUNT_RULE = "a finite number above zero, such as 1300000000, 1.3e9 or 1.3B"
_LOSS_RULE = "a finite number above zero, in nats per token"
_EMPTY_OR = "Give the number, or leave the cell empty"


def _count(name: str, unit: str, meaning: str, needed: Needed = "optional") -> Column:
    remedy = "Give the number" if needed == "always" else _EMPTY_OR
    return Column(
        name=name, kind="count", needed=needed, unit=unit, meaning=meaning, rule=_COUNT_RULE, remedy=remedy
    )


def _loss(name: str, meaning: str, needed: Needed, remedy: str) -> Column:
    return Column(
        name=name,
        kind="loss",
        needed=needed,
        unit="nats/token",
        meaning=meaning,
        rule=_LOSS_RULE,
        remedy=remedy,
    )


def _label(name: str, meaning: str, rule: str, remedy: str) -> Column:
    return Column(
        name=name, kind="label", needed="optional", unit="", meaning=meaning, rule=rule, remedy=remedy
    )


def _choice(name: str, meaning: str, choices: tuple[str, ...], remedy: str, needed: Needed) -> Column:
    return Column(
        name=name,
        kind="choice",
        needed=needed,
        unit="",
        meaning=meaning,
        rule=" or ".join(choices),
        remedy=remedy,
        choices=choices,
    )


_ANY_TEXT = "text without NUL characters"

COLUMNS: tuple[Column, ...] = (
    _label("run_id", "name of the run", "unique in the table", "Give every run its own name"),
    _choice(
        "role",
        "how the network was trained",
        ROLES,
        "Name the role, or give one to all rows with --columns \"role='supervised'\"",
        "always",
    ),
    _count("params", "parameters", "size of the network", "always"),
    _count("tokens", "tokens", "training tokens seen", "always"),
    _loss(
        "loss",
        "held-out loss at the end of the run",
        "if ok",
        "Give the measured loss, or mark the run with status diverged or unfinished",
    ),
    _loss(
        "teacher_loss",
        "held-out loss of the teacher",
        "if distilled",
        "Give the measured loss of the teacher on the same held-out data",
    ),
    _loss("loss_se", "standard error of the loss", "optional", _EMPTY_OR),
    _loss("teacher_loss_se", "standard error of the teacher's loss", "optional", _EMPTY_OR),
    _label("seed", "seed of the run: rows that differ only here are replicates", _ANY_TEXT, "Remove it"),
    _label("group", "rows of one group share an effect (checkpoints of one run)", _ANY_TEXT, "Remove it"),
    _label("eval_id", "held-out set and tokenizer that the loss was measured on", _ANY_TEXT, "Remove it"),
    _label("data_order", "rows that saw their data in one order share an effect", _ANY_TEXT, "Remove it"),
    _label("teacher_id", "name of the teacher", _ANY_TEXT, "Remove it"),
    _count("teacher_params", "parameters", "size of the teacher"),
    _count("teacher_tokens", "tokens", "training tokens of the teacher"),
    _count("flops", "FLOPs", "training compute of the run"),
    _count("unique_tokens", "tokens", "distinct tokens among those seen"),
    _choice(
        "counting",
        "whether params count the embeddings",
        COUNTINGS,
        "State one way of counting for the whole table",
        "optional",
    ),
    _choice("status", "how the run ended", STATUSES, "Say how the run ended", "optional"),
)

COLUMN: dict[str, Column] = {column.name: column for column in COLUMNS}

ALIASES: dict[str, tuple[str, ...]] = {
    "run_id": ("name", "run", "run_name", "id", "Name"),
    "params": ("N", "n", "n_params", "num_params", "parameters", "model_params", "Model Size", "N_S"),
    "tokens": ("D", "t", "n_tokens", "num_tokens", "data_size", "train_tokens", "D_S"),
    "loss": ("L", "val_loss", "eval_loss", "eval/loss", "final_loss", "validation_loss", "lm_loss", "L_S"),
    "teacher_loss": ("L_T", "loss_teacher"),
    "flops": ("C", "FLOPs", "FLOP", "compute", "Training FLOP"),
}
"""Names that other tables give to these columns: only ever suggested in a remedy, never assumed."""


def describe_columns() -> str:
    """Return the schema as a table in Markdown, one row for each column."""
    needed = {
        "always": "yes",
        "if ok": "where status is ok",
        "if distilled": "for distilled rows",
        "optional": "no",
    }
    lines = ["| column | needed | unit | meaning | must be |", "|---|---|---|---|---|"]
    for column in COLUMNS:
        need = (
            "yes, unless there is no teacher_loss column" if column.name == "role" else needed[column.needed]
        )
        lines.append(f"| {column.name} | {need} | {column.unit} | {column.meaning} | {column.rule} |")
    return "\n".join(lines)
