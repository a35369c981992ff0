"""Prints the part of requirements.lock that the package itself needs, without extras and tools."""

import re
from collections.abc import Set
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).parents[1] / "requirements.lock"


def needed(name: str, extras: Set[str] = frozenset(), known: Set[str] = frozenset()) -> Set[str]:
    """The names of every distribution that one needs, found through what is installed beside this Python."""
    for text in distribution(name).requires or ():
        asked = Requirement(text)
        environments = [{"extra": extra} for extra in (*extras, "")]
        if asked.marker and not any(asked.marker.evaluate(environment) for environment in environments):
            continue
        one = canonicalize_name(asked.name)
        if one not in known:
            known = needed(one, asked.extras, known | {one})
    return known


def entries(text: str) -> dict[str, str]:
    """The lock's entries, hashes included, by the name of the distribution."""
    found = re.finditer(r"^([A-Za-z0-9._-]+)==(?:.*\\\n)*.*\n", text, re.MULTILINE)
    return {canonicalize_name(entry[1]): entry[0] for entry in found}


if __name__ == "__main__":
    pinned = entries(LOCK.read_text(encoding="utf-8"))
    print("".join(pinned[name] for name in sorted(needed("bayes-dsl"))))
