"""From what the units of a sweep recorded to a run table, with its cost model and its provenance beside it."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayes_dsl.costs.beside import read_cost_model
from bayes_dsl.costs.flops import at_fixed_depth
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import shown, write_atomically
from bayes_dsl.runs.schema import COLUMN
from bayes_dsl.runs.table import RunTable
from bayes_dsl.runs.writing import csv_text
from models import sweep_folder
from models.expansion import PlannedRun, network_of, runs_of
from models.plan_tables import Plan

MADE = ("cpu_seconds", "wall_seconds", "resumed", "started_at", "git_rev", "jax_version", "device")
"""Columns about how a run was made. They differ between sweeps whose results are equal: a table of their own."""

FREE = (
    *("excess", "bits_per_byte", "kl_teacher_student", "top1_agreement", "ece", "train_loss_last"),
    *("corpus_id", "corpus_sha256", "tokenizer_id", "part", "data_seed", "trunk_id"),
    *("mixing", "temperature", "divergence", "top_k", "top_p", "teacher_logits"),
    *("params_total", "layers", "width", "ffn_width", "heads", "head_size", "vocabulary", "context"),
    *("base_width", "compute", "batch_tokens", "micro_tokens", "steps", "warmup_steps", "schedule"),
    *("peak_rate", "final_rate", "cooldown_share", "weight_decay", "beta1", "beta2", "epsilon", "clip"),
    *("z_weight", "flops_teacher_forward"),
)
"""The free columns of a run table in their order: those of `models.outcome.Outcome` that are not in `MADE`."""

Record = dict[str, Any]


def collect_into(folder: Path, output: Path, *, partial: bool = False) -> tuple[str, ...]:
    """Write the run table of a sweep and what belongs beside it; returns sentences about what was written.

    `runs.csv` depends on nothing but the plan and the machine's arithmetic; beside it lie `runs.cost.toml` (what a
    token costs these networks), `runs.provenance.toml` (plan, corpus, versions) and `runs.made.csv` (seconds,
    restarts and versions of each run).

    Raises
    ------
    InputError
        Not all units are done (unless `partial`), or they were trained on different corpora.
    FileRefused
        There is no sweep in the folder, or the disk does not take the files.
    """
    plan = sweep_folder.plan_in(folder)
    found = sweep_folder.results(plan, folder, partial=partial)
    corpora = {json.dumps(result["corpus"], sort_keys=True): result["corpus"] for result in found}
    records = [record for result in found for record in result["outcomes"]]
    if not found or len(corpora) > 1:
        raise InputError(_unfit(folder, len(found), list(corpora.values())))
    (corpus,) = corpora.values()
    frame, made = frames_of(plan, records)
    # The table is checked by its reader before it takes its name.
    table = RunTable.from_pandas(frame)
    beside = {ending: output.with_name(f"{output.stem}{ending}") for ending in _ENDINGS}
    write_atomically(beside[".cost.toml"], cost_toml(plan))
    read_cost_model(beside[".cost.toml"])
    write_atomically(beside[".provenance.toml"], provenance_toml(plan, corpus, frame, made))
    write_atomically(beside[".made.csv"], csv_text(made))
    table.write(output)
    return tuple(_sentences(plan, frame, output, beside.values()))


_ENDINGS = (".cost.toml", ".provenance.toml", ".made.csv")


def frames_of(plan: Plan, records: Iterable[Mapping[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The run table, and what is told of how its runs were made, in the order of the plan.

    Parameters
    ----------
    plan
        Says the order, and what a table may name anew without training anew: group and trunk.
    records
        Of `models.outcome.Outcome`, in any order. A student whose teacher diverged has none, and no row.
    """
    by_name = {record["run_id"]: dict(record) for record in records}
    rows = [row for run in runs_of(plan) if (row := _row(run, by_name)) is not None]
    order = dict.fromkeys([*COLUMN, *FREE, *MADE])
    columns = list(dict.fromkeys([*order, *(name for row in rows for name in row)]))
    # Numbers keep their type where a column has gaps: counts stay whole, and a gap is an empty cell.
    frame = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in columns})
    frame = frame.loc[:, [name for name in columns if frame[name].notna().any()]]
    results = [name for name in frame.columns if name not in MADE]
    return frame[results], frame[["run_id", *[name for name in MADE if name in frame.columns]]]


def _row(run: PlannedRun, by_name: Mapping[str, Record]) -> Record | None:
    row = by_name.get(run.run_id)
    if row is None:
        return None
    row |= {"group": run.group or run.trunk_id, "trunk_id": run.trunk_id}
    teacher = by_name.get(run.distillation.teacher_id) if run.distillation else None
    if teacher is not None:
        # The teacher's own row has its loss to the last bit; its students' programs may round otherwise.
        row |= {
            "teacher_tokens": teacher["tokens"],
            "teacher_loss": teacher["loss"],
            "teacher_loss_se": teacher["loss_se"],
        }
    return row


def cost_toml(plan: Plan) -> str:
    """The numbers of F(N), forward FLOPs per token of the plan's networks, as a cost model file.

    Raises
    ------
    InputError
        Never for a plan that was read; the numbers are checked as any user's are.
    """
    shapes = [network_of(plan, width).architecture for width in sorted({run.width for run in runs_of(plan)})]
    layers, context, vocabulary = shapes[0].layers, shapes[0].context, shapes[0].vocabulary
    ratios = [shape.params / (shape.layers * shape.width**2) for shape in shapes]
    omega = round(float(np.exp(np.mean(np.log(ratios)))), 4)
    model = at_fixed_depth(layers=layers, context=context, vocabulary=vocabulary, omega=omega)
    off = max(abs(float(model.forward(shape.params)) / shape.forward_flops - 1) for shape in shapes)
    widths = ", ".join(str(shape.width) for shape in shapes)
    return "\n".join(
        (
            f"# What a token costs the networks of plan {plan.name}: widths {widths}.",
            f"name = {_text(plan.name)}",
            f'remark = "within {100 * off:.1f} % of the networks\' own count"',
            "",
            "[fixed_depth]",
            f"layers = {layers}",
            f"context = {context}",
            f"vocabulary = {vocabulary}",
            f"omega = {omega}",
            "",
        )
    )


def provenance_toml(plan: Plan, corpus: Mapping[str, Any], frame: pd.DataFrame, made: pd.DataFrame) -> str:
    """Where a table came from: plan, corpus, versions and devices; no folder of any machine."""
    tables: dict[str, Mapping[str, Any]] = {
        "plan": {"name": plan.name, "sha256": plan.sha256},
        "corpus": corpus,
        "runs": {
            "table_sha256": RunTable.from_pandas(frame).sha256,
            "supervised": int((frame["role"] == "supervised").sum()),
            "distilled": int((frame["role"] == "distilled").sum()),
            "tokens": int(frame["tokens"].sum()),
            "cpu_seconds": round(float(made["cpu_seconds"].dropna().sum()), 1),
        },
        "made_by": {
            **{
                name: sorted({str(value) for value in made[name].dropna()})
                for name in ("git_rev", "jax_version", "device")
                if name in made.columns
            },
        },
        "collected_by": {name: importlib.metadata.version(name) for name in ("jaxlib", "numpy", "optax")},
    }
    lines = [f'title = "Runs of the plan {plan.name}"', 'command = "python -m models sweep"']
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{_key(key)} = {_text(value)}" for key, value in table.items())]
    return "\n".join([*lines, "", "[plan_as_given]", f"text = {_text(_without_folders(plan))}", ""])


def _without_folders(plan: Plan) -> str:
    """The plan's text; a path in it is cut to its last name."""
    path = getattr(plan.corpus, "path", None)
    return plan.text if path is None else plan.text.replace(path, Path(path).name)


def _text(value: Any) -> str:
    """A value as TOML: what JSON and TOML spell alike, a long text on lines of its own."""
    if (
        isinstance(value, str)
        and "\n" in value
        and "'''" not in value
        and value.replace("\n", "").isprintable()
    ):
        return f"'''\n{value}'''"
    # JSON leaves DEL as it is, which TOML does not take.
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() and key.isascii() else _text(key)


def _unfit(folder: Path, found: int, corpora: Sequence[Mapping[str, Any]]) -> Fault:
    if not found:
        rule, remedy = "no unit is done yet", "Run the sweep first"
        return Fault(where=shown(folder), what="runs", value="none", rule=rule, remedy=remedy)
    names = ", ".join(str(corpus["sha256"])[:12] for corpus in corpora)
    rule = "its runs were trained on different makings of the corpus, whose losses do not compare"
    remedy = "Train the plan in a new folder"
    return Fault(where=shown(folder), what="corpus", value=names, rule=rule, remedy=remedy)


def _sentences(plan: Plan, frame: pd.DataFrame, output: Path, beside: Iterable[Path]) -> Iterator[str]:
    roles, states = frame["role"].value_counts(), frame["status"].value_counts()
    parts = [f"{roles.get(role, 0)} {role}" for role in ("supervised", "distilled")]
    parts += [f"{states[state]} {state}" for state in ("diverged", "unfinished") if state in states]
    yield f"{shown(output)}: {len(frame)} runs, {', '.join(parts)}"
    lost = set(frame["run_id"][frame["status"] != "ok"])
    missing = [run for run in runs_of(plan) if run.run_id not in set(frame["run_id"])]
    untaught = [run for run in missing if run.distillation and run.distillation.teacher_id in lost]
    if untaught:
        yield f"note: {len(untaught)} students are not in it, as their teachers diverged"
    if len(missing) > len(untaught):
        yield f"note: {len(missing) - len(untaught)} runs of the plan are not in it, as they are not done"
    yield f"beside it: {', '.join(path.name for path in beside)}"
    yield f"next: bayes-dsl check {shown(output)}"
