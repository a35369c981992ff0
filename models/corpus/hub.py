"""Shards of a Hugging Face data set, fetched from the hub into a local copy when the user asks for it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayes_dsl.errors import Fault, InputError
from models.corpus.files import shards
from models.corpus.specs import HuggingFaceSpec, path_of

hub: Any = None
with contextlib.suppress(ImportError):  # no extra of this project asks for it
    hub = importlib.import_module("huggingface_hub")


def shards_from_hub(spec: HuggingFaceSpec, provenance: dict[str, str]) -> Iterator[Path]:
    """The shards of a split in order, each fetched when it is needed and kept under the path of the copy.

    Parameters
    ----------
    provenance
        Is given the revision that the hub names, and each shard.

    Raises
    ------
    InputError
        `huggingface_hub` is not installed, the hub cannot be reached, or it has no such split.
    """
    if hub is None:
        rule = "fetching needs the library huggingface_hub, which is not installed"
        raise _refused(
            spec, rule, "Run pip install huggingface_hub, or copy the files and write download = false"
        )
    api: Any = hub.HfApi()
    try:
        about = api.dataset_info(spec.name, revision=spec.revision)
        names = shards([file.rfilename for file in about.siblings], config=spec.config, split=spec.split)
        provenance["revision"] = str(about.sha)
        for name in names:
            # The library may only put it under the folder that it is given.
            path = hub.hf_hub_download(
                spec.name, name, repo_type="dataset", revision=about.sha, local_dir=path_of(spec)
            )
            yield Path(path)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:120].rstrip(".")
        raise _refused(
            spec, f"the hub did not give it ({reason})", "Check the name and the network"
        ) from error
    if not names:
        rule = f"the hub has no file of the split {spec.split} there"
        raise _refused(spec, rule, "Check config and split against the list of files on the hub")


def _refused(spec: HuggingFaceSpec, rule: str, remedy: str) -> InputError:
    return InputError(Fault(where="[corpus]", what="name", value=spec.name, rule=rule, remedy=remedy))
