"""Readers: what a page, a manual, a gloss and a dictionary entry say; damaged and oversized files are refused."""

from __future__ import annotations

import gzip
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.errors import FileRefused
from models.corpus import readers
from models.corpus.readers import cleaned, dictionary, documents_in, readable, unpacked


def one(name: str, data: str | bytes) -> str:
    (text,) = documents_in(name, data.encode() if isinstance(data, str) else data)
    return cleaned(text)


def test_only_text_by_its_ending_is_read() -> None:
    names = ["a.txt", "a.md.gz", "x/a.RST", "a.rst.txt", "a.html", "a.pod", "usr/share/wordnet/data.noun"]
    assert all(map(readable, names))
    assert not any(
        map(readable, ["a.js", "a.gz", "copyright", "data.json", "changelog.gz", "index.noun", ""])
    )


def test_plain_text_stands_as_it_is_packed_or_not() -> None:
    assert one("a.md", "# One\n\ntwo") == one("a.md.gz", gzip.compress(b"# One\n\ntwo")) == "# One\n\ntwo"
    assert one("a.txt", "caf\u00e9".encode("latin-1")) == one("a.txt", "caf\u00e9") == "café"
    assert one("a.txt", b"\xef\xbb\xbfafter a mark") == "after a mark"


def test_a_page_loses_marks_scripts_and_styles_and_keeps_its_lines() -> None:
    page = (
        "<html><head><title>T</title><style>p{}</style><script>if (a<b) {}</script></head>"
        "<body><h1>H</h1><p>a &lt; b &amp; <b>c</b></p><ul><li>one<li>two</ul><pre>x\n  y</pre></body>"
    )
    assert one("a.html", page).split() == ["T", "H", "a", "<", "b", "&", "c", "one", "two", "x", "y"]
    assert "x\n  y" in one("a.html", page) and "one\ntwo" in one("a.html", page)


def test_a_manual_of_perl_loses_its_commands() -> None:
    manual = (
        "=encoding utf8\n\n=head1 NAME\n\nC<$a> and L<the page|perlre/x>, B<I<both>>, "
        "C<< a->b >>, E<lt>F<f>E<gt>Z<>.\n\n=over 4\n\n=item *\n\none\n\n=back\n\n=cut\n"
    )
    assert one("a.pod", manual) == "NAME\n\n$a and the page, both, a->b, <f>.\n\n*\n\none"


def test_wordnet_gives_one_gloss_a_synset_and_not_its_licence() -> None:
    data = (
        "  1 This software | and database\n"
        '00004032 29 v 02 sigh 0 001 @ 0 v 0000 | heave a sigh; "She sighed"  \n0001 | two\n'
    )
    assert [cleaned(text) for text in documents_in("data.verb", data.encode())] == [
        'heave a sigh; "She sighed"',
        "two",
    ]


ENTRIES = ["Abdomen\n   The belly.\n", "Zoo\n   Animals.\n"]
TEXT = "about\n" + "".join(ENTRIES)


def spelt(number: int) -> str:
    rest, digit = divmod(number, 64)
    return (spelt(rest) if rest else "") + readers._BASE64[digit]


def index_of(places: list[tuple[str, int, int]]) -> bytes:
    return "".join(f"{word}\t{spelt(at)}\t{spelt(size)}\n" for word, at, size in places).encode()


def test_a_dictionary_gives_each_entry_once_in_order_without_what_is_about_it() -> None:
    first, second = len("about\n"), len("about\n" + ENTRIES[0])
    places = [
        ("zoo", second, len(ENTRIES[1])),
        ("abdomen", first, len(ENTRIES[0])),
        ("belly", first, len(ENTRIES[0])),
    ]
    index = index_of([("00-database-info", 0, first), *places])
    assert list(dictionary(gzip.compress(TEXT.encode()), index, "d")) == ENTRIES


@pytest.mark.parametrize(
    "index",
    [
        index_of([("a", 5, 4000)]),
        index_of([("a", 2**47, 2)]),
        b"a\t!\tB\n",
        b"a\tB\n",
        b"a\t" + b"/" * 90 + b"\tB\n",
    ],
)
def test_an_index_that_points_outside_or_is_none_is_refused(index: bytes) -> None:
    with pytest.raises(FileRefused, match="index"):
        list(dictionary(gzip.compress(TEXT.encode()), index, "d"))


@pytest.mark.parametrize(
    "data",
    [b"", b"not packed", gzip.compress(b"x" * 1000, mtime=0)[:-9], b"\x1f\x8b\x08\x00" + b"\xff" * 50],
    ids=["nothing", "not packed", "cut short", "nonsense"],
)
def test_damaged_packed_text_is_one_sentence(data: bytes) -> None:
    if not data:
        assert unpacked("a.gz", data) == b""
        return
    with pytest.raises(FileRefused, match="gzip = damaged"):
        unpacked("a.gz", data)


def test_a_bomb_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(FileRefused, match="over 1,000 bytes"):
        unpacked("a.gz", gzip.compress(bytes(10**7)), limit=1000)


@given(st.text())
def test_cleaned_text_has_no_controls_and_stays_as_it_is(text: str) -> None:
    once = cleaned(text)
    assert cleaned(once) == once
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in once) and "\n\n\n" not in once
    once.encode()


def test_lone_surrogates_become_a_question_mark() -> None:
    assert cleaned("a\ud800b") == "a?b"


@pytest.mark.parametrize("name", ["a.html", "a.pod"])
@pytest.mark.parametrize(
    "unit", ["<script>", "<!--", "<a ", "C<", "E<lt>", "&#", "<![CDATA[", "<<<< x ", "A<< ", "9", "</"]
)
def test_hostile_marks_take_no_more_than_moments(name: str, unit: str) -> None:
    start = time.process_time()
    list(documents_in(name, b"&#" + (unit * 20_000).encode()))
    assert time.process_time() - start < 5
