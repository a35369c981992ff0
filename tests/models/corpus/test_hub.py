"""The hub is asked only with its library, and what goes wrong there is one line."""

from types import SimpleNamespace
from typing import Any

import pytest

from bayes_dsl.errors import InputError
from models.corpus import hub as module
from models.corpus import parse_spec
from models.corpus.hub import shards_from_hub

SPEC: Any = parse_spec(
    {"kind": "huggingface", "name": "allenai/c4", "path": "copy", "split": "train", "download": True}
)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "hub", None)
    with pytest.raises(InputError, match=r"huggingface_hub, which is not installed\. Run pip install"):
        list(shards_from_hub(SPEC, {}))


def test_a_hub_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise OSError("no route\nto the host")

    api = SimpleNamespace(dataset_info=silent)
    monkeypatch.setattr(module, "hub", SimpleNamespace(HfApi=lambda: api))
    with pytest.raises(InputError, match=r"the hub did not give it \(no route to the host\)") as caught:
        list(shards_from_hub(SPEC, {}))
    assert len(str(caught.value).splitlines()) == 1
