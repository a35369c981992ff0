"""Prints what the README asks its reader to run: python .ci/readme.py python | shell."""

import re
import sys
from pathlib import Path


def blocks(text: str, kind: str) -> list[str]:
    """The fenced blocks that stand below a `<!-- run: KIND -->` line."""
    found = re.findall(
        rf"^<!-- run: {re.escape(kind)} -->\n```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
    )
    if not found:
        raise SystemExit(f"README.md has no block marked to be run as {kind}")
    return [str(block) for block in found]


if __name__ == "__main__":
    readme = Path(__file__).parents[1] / "README.md"
    print("\n".join(blocks(readme.read_text(encoding="utf-8"), sys.argv[1])))
