"""The work of one unit of a sweep, in a worker: its corpus and teacher are loaded, its runs trained and measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.checkpoints import load_parameters
from models.config import Network, small
from models.corpus import Corpus, load, parse_spec
from models.devices import devices
from models.objectives import Objective
from models.recipe import Recipe
from models.results import parameters_path
from models.run import Run
from models.sweep import CORPUS
from models.train import train


def work(
    payload: Mapping[str, Any], settings: Mapping[str, Any], folder: Path, needs: Mapping[str, Path]
) -> dict[str, Any]:
    """Train the runs of a unit; called again after a crash, it goes on from its checkpoint.

    Returns
    -------
    dict
        `outcomes`, a record for each run (`models.outcome.Outcome.record`), none where the teacher diverged;
        `corpus`, the provenance of what they were trained on.
    """
    corpus = _corpus(json.dumps(settings["corpus"], sort_keys=True), folder.parent.parent / CORPUS)
    runs = [_run(told, settings["network"], corpus, payload["teacher"]) for told in payload["runs"]]
    about = {"corpus_id": corpus.corpus_id, "sha256": corpus.sha256, **corpus.provenance}
    teacher = None
    if payload["teacher"] is not None:
        kept = parameters_path(needs[payload["teacher"]], payload["teacher"])
        if not kept.exists():
            return {"outcomes": [], "corpus": about}
        network, params, _ = load_parameters(kept)
        teacher = network, params
    trunk = None if payload["trunk"] is None else needs[payload["trunk"]]
    spread = devices(settings["devices"]) if "devices" in settings else None
    outcomes = train(runs, corpus, folder, teacher=teacher, trunk=trunk, devices=spread)
    return {"outcomes": [outcome.record() for outcome in outcomes], "corpus": about}


@lru_cache(maxsize=1)
def _corpus(spec: str, folder: Path) -> Corpus:
    """Opened, and its checksums verified, once in a worker."""
    return load(parse_spec(json.loads(spec)), folder)


def _run(told: Mapping[str, Any], network: Mapping[str, Any], corpus: Corpus, teacher_id: str | None) -> Run:
    how = told["distillation"]
    taught: dict[str, Any] = {}
    if how is not None:
        objective = Objective(divergence=how["divergence"], top_k=how["top_k"], top_p=how["top_p"])
        taught = {"objective": objective, "mixing": how["mixing"], "temperature": how["temperature"]}
    return Run(
        run_id=told["run_id"],
        network=_network(told["width"], network, corpus),
        tokens=told["tokens"],
        seed=told["seed"],
        data_seed=told["data_seed"],
        part=told["part"],
        recipe=Recipe(**told["recipe"]),
        teacher_id=teacher_id,
        trunk_id=told["trunk_id"],
        branches=tuple(told["branches"]),
        save=told["keep"],
        most_epochs=told["most_epochs"],
        **taught,
    )


def _network(width: int, table: Mapping[str, Any], corpus: Corpus) -> Network:
    shape = small(width, vocabulary=corpus.vocabulary, context=corpus.context, layers=table["layers"])
    return replace(shape, base_width=table["base_width"], compute=table["compute"])
