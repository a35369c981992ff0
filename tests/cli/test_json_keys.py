"""The keys of --json are those that each verb's help lists, and each has a meaning or a plain name."""

import re

import pytest

from bayes_dsl.cli import json_keys, table_verbs

VERBS = {"check": (table_verbs.check, json_keys.CheckKeys)}


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_lists_the_keys(verb: str) -> None:
    function, keys = VERBS[verb]
    found = re.search(r"Keys of --json: ([^.]*)\.", " ".join((function.__doc__ or "").split()))
    assert found is not None
    assert tuple(found[1].split(", ")) == tuple(keys.model_fields)


def test_an_undeclared_key_is_refused() -> None:
    with pytest.raises(ValueError, match="extra"):
        json_keys.Keys(anything=1)
