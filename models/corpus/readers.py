"""From the bytes of one file to the text of its documents, by the ending of its name; nothing is executed."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from html import unescape

from bayes_dsl.errors import Fault, FileRefused

FILE_LIMIT = 2**28
"""Bytes of one file, unpacked, that are read."""


def readable(name: str) -> bool:
    """Whether the name ends in one of `READERS`, packed by gzip or not."""
    return _ending(name) in READERS


def documents_in(name: str, data: bytes) -> Iterator[str]:
    """The documents of a file: one, or the glosses of a dictionary.

    Raises
    ------
    FileRefused
        A packed file that is damaged or too large.
    """
    if name.endswith(".gz"):
        data = unpacked(name, data)
    yield from READERS[_ending(name)](text_of(data))


def text_of(data: bytes) -> str:
    """Text in UTF-8, or in Latin-1 where it is not valid UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def cleaned(text: str) -> str:
    """One kind of newline, no control characters, no blanks at line ends, no more than one empty line at a time."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    text = _CONTROLS.sub("", text)
    return _BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("\n", text + "\n")).strip("\n")


def unpacked(name: str, data: bytes, limit: int = FILE_LIMIT) -> bytes:
    """The content of gzip bytes, `limit` at most.

    Raises
    ------
    FileRefused
        They are damaged, or unpack to more.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            content = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise refused(name, "gzip", "damaged", "packed text unpacks whole") from error
    if len(content) > limit:
        raise refused(name, "unpacked size", f"over {limit:,} bytes", "one file of text is smaller")
    return content


def refused(name: str, what: str, value: str, rule: str) -> FileRefused:
    """One sentence about a file of text."""
    remedy = "Fetch the file again, or leave it out"
    fault = Fault(
        where=_one_line(name), what=what, value=_one_line(value), rule=_one_line(rule), remedy=remedy
    )
    return FileRefused(fault)


def plain(text: str) -> Iterator[str]:
    """Markdown, reStructuredText and plain text are read as they stand."""
    yield text


def html(text: str) -> Iterator[str]:
    """What a page says, without marks, comments, scripts and styles, in time linear in its size."""
    for begin, end in _UNSPOKEN:
        text = _without(text, begin, end)
    text = _TAG.sub(lambda tag: "\n" if _BLOCKS.fullmatch(tag[1] or "") else "", text)
    yield unescape(_LONG_REFERENCE.sub("", text))


def pod(text: str) -> Iterator[str]:
    """Perl's documentation: commands lose their name, and formatting codes such as `C<...>` their brackets."""
    text = _POD_COMMAND.sub("", _POD_SKIPPED.sub("", text))
    # Brackets that are meant as such stay out of the way until the codes are gone.
    text = _POD_LONG_CODE.sub(lambda code: code[1].translate(_HIDE), text)
    text = text.replace("E<lt>", "\x01").replace("E<gt>", "\x02")
    for _ in range(_POD_DEPTH):
        text = _POD_CODE.sub(_pod_code, text)
    yield text.translate(_SHOW)


def wordnet(text: str) -> Iterator[str]:
    """One gloss a synset: what stands behind the bar in WordNet's `data.*`."""
    for line in text.split("\n"):
        _, bar, gloss = line.partition("| ")
        # The licence comes first, its lines indented.
        if bar and not line.startswith(" "):
            yield gloss


def dictionary(data: bytes, index: bytes, name: str) -> Iterator[str]:
    """The entries of a dictd dictionary (`.dict.dz` and `.index`), each once, without what is about the dictionary.

    Raises
    ------
    FileRefused
        The index points outside of the dictionary, or is no index.
    """
    text = unpacked(name, data)
    places = set()
    for line in text_of(index).split("\n"):
        headword, _, place = line.partition("\t")
        if place and not headword.startswith(("00-database", "00database")):
            try:
                offset, length = (_base64_number(word) for word in place.split("\t")[:2])
            except ValueError as error:
                raise refused(name, "index", line[:60], "a line is a word, a place and a length") from error
            places.add((offset, length))
    for offset, length in sorted(places):
        if offset + length > len(text):
            raise refused(name, "index", f"{offset:,} + {length:,}", f"the text has {len(text):,} bytes")
        yield text_of(text[offset : offset + length])


READERS: dict[str, Callable[[str], Iterator[str]]] = {
    ".txt": plain,
    ".md": plain,
    ".markdown": plain,
    ".rst": plain,
    ".html": html,
    ".htm": html,
    ".pod": pod,
    "wordnet": wordnet,
}
"""Readers of text by the ending of a name; WordNet's files are known by the beginning, `data.`."""


def _ending(name: str) -> str:
    base = name.rpartition("/")[2].removesuffix(".gz")
    if base in ("data.noun", "data.verb", "data.adj", "data.adv"):
        return "wordnet"
    return "." + base.rpartition(".")[2].lower()


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if line.isprintable() else ascii(line)


def _base64_number(word: str) -> int:
    """A number in dictd's notation: base 64, most significant digit first, no padding."""
    if not 0 < len(word) <= 8:
        raise ValueError(word)
    number = 0
    for digit in word:
        number = number * 64 + _BASE64.index(digit)
    return number


def _pod_code(match: re.Match[str]) -> str:
    kind, inside = match[1], match[2]
    if kind in "XZ":
        return ""
    if kind == "E":
        return {"sol": "/", "verbar": "|"}.get(inside, inside)
    return inside.partition("|")[0] if kind == "L" else inside


def _without(text: str, begin: re.Pattern[str], end: re.Pattern[str]) -> str:
    """A text without what stands from a beginning to the next end, or to the end of the text."""
    pieces, at = [], 0
    while opened := begin.search(text, at):
        pieces.append(text[at : opened.start()])
        closed = end.search(text, opened.end())
        if closed is None:
            return "".join(pieces)
        at = closed.end()
    return "".join([*pieces, text[at:]])


_UNSPOKEN = tuple(
    (re.compile(begin, re.IGNORECASE), re.compile(end, re.IGNORECASE))
    for begin, end in [
        ("<!--", "-->"),
        (r"<script\b", r"</script\b[^<>]*>?"),
        (r"<style\b", r"</style\b[^<>]*>?"),
    ]
)
_TAG = re.compile(r"<(?:/?([a-zA-Z][a-zA-Z0-9]*)|[!?/])[^<>]*>")
_BLOCKS = re.compile(
    "p|div|br|hr|li|ul|ol|dl|dt|dd|h[1-6]|tr|table|pre|blockquote|section|title|body|head", re.IGNORECASE
)
_LONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_ENDS = re.compile(r"[ \t]+\n")
_BLANK_LINES = re.compile(r"\n{3,}")
_POD_SKIPPED = re.compile(r"^=(?:begin|encoding|for|cut|pod|back|over)\b.*\n?", re.MULTILINE)
_POD_COMMAND = re.compile(r"^=(?:head\d|item|end)\b[ \t]*", re.MULTILINE)
_POD_LONG_CODE = re.compile(r"\b[A-Z]<<+[ \t]([^\n]{0,500}?)[ \t]>>+")
_POD_DEPTH = 4
_HIDE = str.maketrans("<>", "\x01\x02")
_SHOW = str.maketrans("\x01\x02", "<>")
_POD_CODE = re.compile(r"\b([A-Z])<([^<>]*)>")
