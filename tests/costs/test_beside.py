"""Numbers beside a run table are found, read, and refused with all their faults at once."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayes_dsl.costs.beside import LARGEST_BYTES, beside, read_cost_model
from bayes_dsl.costs.flops import PAPER, CostModel, at_fixed_aspect_ratio, at_fixed_depth
from bayes_dsl.errors import FileRefused, InputError


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "runs.cost.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("table", ["runs.csv", "runs.parquet", "runs", "runs.cost.toml.csv"])
def test_it_lies_beside_its_table(tmp_path, table):
    assert beside(tmp_path / table) is None
    stem = table.removesuffix(".csv").removesuffix(".parquet")
    (tmp_path / f"{stem}.cost.toml").write_text("")
    assert beside(tmp_path / table) == tmp_path / f"{stem}.cost.toml"


def test_only_its_own_table_finds_it(tmp_path):
    (tmp_path / "runs.cost.toml").write_text("")
    assert beside(tmp_path / "other.csv") is None
    assert beside(tmp_path / "runs.v2.csv") is None
    assert beside(tmp_path / "folder" / "runs.csv") is None


@pytest.mark.parametrize("path", ["/", ".", ""])
def test_what_is_no_table_has_nothing_beside_it(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert beside(path) is None


def test_a_dangling_link_is_refused_not_passed_over(tmp_path):
    (tmp_path / "runs.cost.toml").symlink_to(tmp_path / "gone")
    found = beside(tmp_path / "runs.csv")
    assert found is not None
    with pytest.raises(FileRefused, match="No such file"):
        read_cost_model(found)


def test_terms(written):
    model = read_cost_model(written("terms = [[2, 1], [1.5e4, 0.5]]\n"))
    assert model == CostModel(name="table", terms=((2.0, 1.0), (1.5e4, 0.5)))
    assert model.describe() == "table: forward FLOPs per token 2 N + 1.5e4 N^0.5; 3x that per trained token"


def test_a_name_a_remark_and_a_counting(written):
    model = read_cost_model(
        written('name = "pythia"\ncounting = "total"\nremark = "by hand"\nterms = [[2.1, 1]]')
    )
    assert model == CostModel(name="pythia", counting="total", remark="by hand", terms=((2.1, 1.0),))


def test_fixed_depth(written):
    model = read_cost_model(written("[fixed_depth]\nlayers = 4\ncontext = 256\nvocabulary = 8_000\n"))
    assert model == at_fixed_depth(layers=4, context=256, vocabulary=8000, name="table")
    assert model.counting == "non_embedding"


def test_fixed_aspect_ratio_keeps_its_numbers_in_the_remark(written):
    text = (
        'remark = "small runs"\n[fixed_aspect_ratio]\ncontext = 4096\nvocabulary = 32768\naspect_ratio = 64\n'
    )
    model = read_cost_model(written(text))
    assert model.terms == at_fixed_aspect_ratio(context=4096, vocabulary=32768, aspect_ratio=64).terms
    assert model.remark == "context 4096, aspect ratio 64, vocabulary 32768; small runs"
    assert model.terms != PAPER.terms


def test_the_mark_that_some_editors_put_first(written):
    assert read_cost_model(written(b"\xef\xbb\xbfterms = [[2.0, 1.0]]")).terms == ((2.0, 1.0),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "F(N) = none; exactly one of terms, fixed_aspect_ratio, fixed_depth says what F(N) is"),
        ("terms = [[2, 1]]\n[fixed_depth]\nlayers=1\ncontext=1\nvocabulary=1", "F(N) = terms, fixed_depth;"),
        (
            "terms = [[2, 1]]\nprice = 3",
            "key = price; there is no such key here. The keys are name, counting",
        ),
        ("terms = [[-2, 1]]", "coefficient of term 1 = -2; must be a finite number above 0"),
        ("terms = [[2, nan]]", "exponent of term 1 = nan"),
        ("terms = [[1e999, 1]]", "coefficient of term 1 = inf"),
        ("terms = [[1979-05-27, 1]]", "coefficient of term 1 = datetime.date(1979, 5, 27)"),
        ("terms = 2", "terms = 2; F(N) is the sum of at least one term"),
        ('terms = [[2, 1]]\ncounting = "all"', "counting = 'all'; must be non_embedding or total"),
        ('terms = [[2, 1]]\nname = "Paper"', "name = Paper; this name belongs to another cost model"),
        ('terms = [[2, 1]]\nname = "a\\nb"', r"name = 'a\nb'; must be one line of printable text"),
        ("terms = [[2, 1]]\nremark = 3", "remark = 3; must be one line of printable text"),
        ("fixed_depth = 3", "fixed_depth = 3; must be a table of numbers"),
        ("[fixed_depth]\nlayers = 4\ncontext = 9", "fixed_depth.vocabulary; this number is missing"),
        (
            "[fixed_depth]\nlayers = 4\ncontext = 9\nvocabulary = 9\naspect_ratio = 1",
            "key = aspect_ratio; there is no such key here. The keys are layers, context, vocabulary, omega",
        ),
        (
            "[fixed_depth]\nlayers = 0\ncontext = 9\nvocabulary = 9",
            "layers = 0; must be a finite number above",
        ),
        (
            'counting = "total"\n[fixed_depth]\nlayers = 1\ncontext = 9\nvocabulary = 9',
            "counting = total; fixed_aspect_ratio and fixed_depth are made for params counted without",
        ),
        ("terms = [[2, 1]", "content = Unclosed array"),
        ("terms = [[2, 1]]\nterms = [[2, 1]]", "content = Cannot overwrite a value"),
        (b"\xff\xfe", "could not be read as TOML"),
        ("terms = " + "[" * 20_000, "could not be read as TOML"),
        ("terms = [[" + "9" * 9_000 + ", 1]]", "could not be read as TOML"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(written, text, said):
    path = written(text)
    with pytest.raises(InputError) as caught:
        read_cost_model(path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ") and said in line and line.isprintable()


def test_every_fault_is_listed_at_once(written):
    path = written(
        'name = ""\nprice = 1\ncounting = 3\n[fixed_depth]\nlayers = -1\nomega = "12"\ndepth = 3\n'
    )
    with pytest.raises(InputError) as caught:
        read_cost_model(path)
    assert [(fault.what, fault.value) for fault in caught.value.faults] == [
        ("key", "price"),
        ("key", "depth"),
        ("fixed_depth.context", ""),
        ("fixed_depth.vocabulary", ""),
        ("layers", "-1"),
        ("omega", "'12'"),
        ("name", "''"),
        ("counting", "3"),
    ]
    assert {fault.where for fault in caught.value.faults} == {str(path)}


def test_a_file_that_cannot_be_read_is_refused(written, tmp_path):
    with pytest.raises(FileRefused, match="No such file"):
        read_cost_model(tmp_path / "none.cost.toml")
    with pytest.raises(FileRefused, match=r"at most 65,536 bytes are read"):
        read_cost_model(written("#" * (LARGEST_BYTES + 1)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    terms=st.lists(st.tuples(st.floats(1e-9, 1e12), st.floats(0.01, 1.99)), min_size=1, max_size=5),
    counting=st.sampled_from(["total", "non_embedding"]),
)
def test_what_is_written_is_what_is_read(written, terms, counting):
    text = f'counting = "{counting}"\nterms = {[list(term) for term in terms]}\n'
    assert read_cost_model(written(text)) == CostModel(name="table", terms=tuple(terms), counting=counting)
