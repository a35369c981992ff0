"""The table of a sweep: rows in the plan's order, empty where there is nothing, with cost model and provenance."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bayes_dsl.campaign import folders
from bayes_dsl.campaign.units import keys
from bayes_dsl.costs.beside import beside, read_cost_model
from bayes_dsl.errors import FileRefused, InputError
from bayes_dsl.runs.schema import COLUMN
from bayes_dsl.runs.table import RunTable
from models.expansion import PlannedRun, network_of, runs_of
from models.outcome import Outcome
from models.plan_tables import Plan
from models.sweep import campaign_of
from models.table import FREE, MADE, collect_into, cost_toml, frames_of, provenance_toml
from tests.models.small_plans import SMALL, plan_of

CORPUS = {"corpus_id": "markov-1", "sha256": "ab" * 32, "source": "a language", "H2": "1.9"}


def record_of(plan: Plan, run: PlannedRun, **changes: object) -> dict[str, Any]:
    """What a unit would record of a run that was never trained."""
    shape = network_of(plan, run.width).architecture
    tokens = run.steps * run.recipe.batch_tokens
    loss = 2.0 + 1.0 / run.width + 100.0 / tokens
    record: dict[str, Any] = {
        **{field.name: None for field in fields(Outcome)},
        **{name: getattr(shape, name) for name in ("params", "params_total", "layers", "width", "ffn_width")},
        **{name: getattr(shape, name) for name in ("heads", "head_size", "vocabulary", "context")},
        "run_id": run.run_id,
        "role": run.role,
        "tokens": tokens,
        "loss": loss,
        "loss_se": 0.001,
        "excess": loss - 1.9,
        "seed": run.seed,
        "data_seed": run.data_seed,
        "part": run.part,
        "eval_id": "e",
        "flops": 3 * shape.forward_flops * tokens,
        "unique_tokens": tokens,
        "counting": "non_embedding",
        "status": "ok",
        "cpu_seconds": 1.5,
        "git_rev": "abc",
        "jax_version": "1",
        "device": "a processor",
    }
    if run.distillation:
        taught = {"teacher_id": run.distillation.teacher_id, "teacher_params": 1, "teacher_loss": 2.5}
        record |= {**taught, "teacher_loss_se": 0.5, "mixing": 1.0}
    return {**record, **changes}


def records_of(plan: Plan, **changes: Mapping[str, object]) -> list[dict[str, Any]]:
    return [record_of(plan, run, **changes.get(run.run_id, {})) for run in runs_of(plan)]


def swept(folder: Path, lacking: tuple[str, ...] = (), **changes: Mapping[str, object]) -> Plan:
    """A folder as a sweep leaves it, without training."""
    plan = plan_of(SMALL)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.toml").write_text(SMALL, encoding="utf-8")
    campaign = campaign_of(plan, folder)
    records = {record["run_id"]: record for record in records_of(plan, **changes)}
    for unit in campaign.units:
        names = [run["run_id"] for run in unit.payload["runs"]]
        if not set(names) & set(lacking):
            key = keys(campaign)[unit.name]
            folders.prepare(folder, unit.name, key)
            result = {"outcomes": [records[name] for name in names], "corpus": CORPUS}
            folders.write_result(folder, unit.name, key, result, {})
    return plan


def test_the_table_is_in_the_plans_order_and_reads_back(tmp_path: Path) -> None:
    plan = swept(tmp_path)
    said = collect_into(tmp_path, tmp_path / "runs.csv")
    assert said[0].endswith("runs.csv: 5 runs, 3 supervised, 2 distilled")
    assert said[-1] == f"next: bayes-dsl check {tmp_path / 'runs.csv'}"
    table = RunTable.read(tmp_path / "runs.csv")
    assert table.values("run_id").tolist() == [run.run_id for run in runs_of(plan)]
    assert table.counting == "non_embedding" and len(table.used) == 5
    assert table.values("teacher_id").tolist() == ["", "", "", "T", "T"]
    header = (tmp_path / "runs.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    order = [*COLUMN, *FREE]
    assert header == sorted(header, key=order.index)


def test_what_differs_between_equal_sweeps_has_a_table_of_its_own(tmp_path: Path) -> None:
    swept(tmp_path / "one")
    slow = {"cpu_seconds": 99.0, "git_rev": "def"}
    swept(tmp_path / "two", (), T=slow, **{"sup-d16-6400-s0": slow})
    for place in ("one", "two"):
        collect_into(tmp_path / place, tmp_path / place / "runs.csv")
    assert (tmp_path / "one" / "runs.csv").read_bytes() == (tmp_path / "two" / "runs.csv").read_bytes()
    made = pd.read_csv(tmp_path / "two" / "runs.made.csv")
    assert made.columns[0] == "run_id" and set(made.columns[1:]) <= set(MADE)
    assert made["cpu_seconds"].tolist() == [99.0, 1.5, 99.0, 1.5, 1.5]


def test_every_column_of_an_outcome_has_its_place() -> None:
    assert {field.name for field in fields(Outcome)} == {*COLUMN, *FREE, *MADE}


def test_a_gap_is_an_empty_cell_and_counts_stay_whole(tmp_path: Path) -> None:
    swept(tmp_path)
    collect_into(tmp_path, tmp_path / "runs.csv")
    rows = pd.read_csv(tmp_path / "runs.csv", dtype=str, keep_default_na=False)
    assert rows["teacher_loss"].tolist()[:3] == ["", "", ""] and rows["mixing"].tolist()[0] == ""
    assert rows["tokens"].tolist() == ["6400", "12800", "12800", "6400", "6400"]
    assert rows["teacher_tokens"].tolist() == ["", "", "", "12800", "12800"]
    assert "bits_per_byte" not in rows.columns  # a column that nobody has


def test_a_students_teacher_loss_is_that_of_the_teachers_row() -> None:
    plan = plan_of(SMALL)
    frame, _ = frames_of(plan, records_of(plan))
    teacher = frame[frame["run_id"] == "T"].iloc[0]
    students = frame[frame["role"] == "distilled"]
    assert set(students["teacher_loss"]) == {teacher["loss"]}
    assert set(students["teacher_loss_se"]) == {0.001}


def test_a_diverged_run_has_a_row_without_a_loss_and_its_students_none(tmp_path: Path) -> None:
    gone: dict[str, object] = {"status": "diverged", "loss": None, "loss_se": None, "excess": None}
    plan = swept(tmp_path, T=gone)
    result: dict[str, Any] = {"outcomes": [], "corpus": CORPUS}
    key = keys(campaign_of(plan, tmp_path))["6400-o0-from-T"]
    folders.write_result(tmp_path, "6400-o0-from-T", key, result, {})
    said = collect_into(tmp_path, tmp_path / "runs.csv")
    assert said[0].endswith("3 runs, 3 supervised, 0 distilled, 1 diverged")
    assert "note: 2 students are not in it, as their teachers diverged" in said
    table = RunTable.read(tmp_path / "runs.csv")
    assert table.values("status").tolist() == ["ok", "ok", "diverged"]
    assert len(table.used) == 2


def test_a_diverged_student_keeps_its_teachers_loss() -> None:
    plan = plan_of(SMALL)
    gone: dict[str, object] = {"status": "diverged", "loss": None, "loss_se": None, "excess": None}
    table = RunTable.from_pandas(frames_of(plan, records_of(plan, **{"d8-6400-s0-from-T": gone}))[0])
    assert table.values("status").tolist()[3:] == ["diverged", "ok"]
    assert table.values("teacher_loss")[3] == table.values("loss")[2]


def test_groups_and_trunks_are_the_plans(tmp_path: Path) -> None:
    text = SMALL.replace("widths = [16]", 'widths = [16]\ngroup = "g"')
    frame, _ = frames_of(plan_of(text), records_of(plan_of(text)))
    assert frame["group"].tolist() == ["g", "g", None, None, None]
    wsd = SMALL.replace("batch_tokens = 64", 'batch_tokens = 64\nschedule = "wsd"\nwarmup_steps = 3')
    frame, _ = frames_of(plan_of(wsd), records_of(plan_of(wsd)))
    # What shares a trunk shares its effect.
    assert frame["trunk_id"].tolist()[:3] == ["sup-d16-12800-s0", "sup-d16-12800-s0", None]
    assert frame["group"].tolist() == frame["trunk_id"].tolist()


def test_all_units_must_be_done_unless_it_is_said(tmp_path: Path) -> None:
    swept(tmp_path, lacking=("sup-d16-6400-s0",))
    with pytest.raises(InputError, match="unit without a result = sup-d16-6400-s0;"):
        collect_into(tmp_path, tmp_path / "runs.csv")
    assert not list(tmp_path.glob("runs*"))
    said = collect_into(tmp_path, tmp_path / "runs.csv", partial=True)
    assert "note: 1 runs of the plan are not in it, as they are not done" in said
    assert len(RunTable.read(tmp_path / "runs.csv")) == 4


def test_nothing_done_and_no_sweep_are_one_sentence(tmp_path: Path) -> None:
    swept(tmp_path, lacking=tuple(run.run_id for run in runs_of(plan_of(SMALL))))
    with pytest.raises(InputError, match="runs = none; no unit is done yet"):
        collect_into(tmp_path, tmp_path / "runs.csv", partial=True)
    with pytest.raises(FileRefused, match="no sweep was started in this folder"):
        collect_into(tmp_path / "other", tmp_path / "runs.csv")


def test_losses_on_two_makings_of_a_corpus_are_refused(tmp_path: Path) -> None:
    plan = swept(tmp_path)
    campaign = campaign_of(plan, tmp_path)
    other = {"outcomes": [], "corpus": {**CORPUS, "sha256": "cd" * 32}}
    folders.write_result(tmp_path, "T", keys(campaign)["T"], other, {})
    with pytest.raises(
        InputError, match="corpus = abababababab, cdcdcdcdcdcd; its runs were trained on diff"
    ):
        collect_into(tmp_path, tmp_path / "runs.csv")


def test_the_cost_model_is_near_the_networks_own_count(tmp_path: Path) -> None:
    text = SMALL.replace("widths = [16]", "widths = [16, 24, 32, 48, 64, 96, 128, 192]")
    text = text.replace("vocabulary = 16\ncontext = 16", "vocabulary = 128\ncontext = 64")
    plan = plan_of(text)
    path = tmp_path / "runs.cost.toml"
    path.write_text(cost_toml(plan), encoding="utf-8")
    assert beside(tmp_path / "runs.csv") == path
    model = read_cost_model(path)
    assert model.name == "small" and model.counting == "non_embedding"
    for run in runs_of(plan)[:8]:
        shape = network_of(plan, run.width).architecture
        assert model.forward(shape.params) == pytest.approx(shape.forward_flops, rel=0.04)


def test_the_provenance_is_toml_without_folders(tmp_path: Path) -> None:
    text = SMALL.replace(
        'kind = "markov"\nvocabulary = 16', f'kind = "text"\ntokenizer = "bytes"\npath = "{tmp_path}/notes"'
    )
    text = text.replace("teacher_tokens = 20_000\nstudent_tokens = 20_000\ndocument_tokens = 512\n", "")
    plan = plan_of(text + '# it\'s \\ and "quoted"\n')
    frame, made = frames_of(plan, records_of(plan))
    written = provenance_toml(plan, {**CORPUS, "odd key": "a\nb'''\x7f"}, frame, made)
    assert str(tmp_path) not in written
    content = tomllib.loads(written)
    assert content["plan"] == {"name": "small", "sha256": plan.sha256}
    assert content["corpus"]["odd key"] == "a\nb'''\x7f" and content["corpus"]["H2"] == "1.9"
    assert content["runs"]["supervised"] == 3 and content["runs"]["cpu_seconds"] == 7.5
    assert content["made_by"]["git_rev"] == ["abc"] and content["collected_by"]["numpy"]
    assert content["plan_as_given"]["text"].replace('"notes"', f'"{tmp_path}/notes"') == plan.text
    assert json.dumps(content)  # plain data throughout
