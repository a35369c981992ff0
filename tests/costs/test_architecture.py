"""Table 13 to every printed digit, the full count of FLOPs within 0.05 %, and both against a count by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.costs.architecture import TABLE_13, Architecture, architecture
from bayes_dsl.costs.flops import PAPER
from bayes_dsl.errors import InputError, UnknownName

# As printed: name, N and N_total in billions, layers, width, d_ff, C_fwd and 2N + sigma in GFLOPs per token,
# and how far the latter lies from the former in per cent.
PRINTED = """
  103M 0.1028 0.1363      8   1024   2816 0.3411 0.3398  -0.39
  143M 0.1434 0.1811      9   1152   3072 0.4487 0.4471  -0.34
  198M 0.1983 0.2402     10   1280   3456  0.587 0.5853  -0.29
  266M 0.2657 0.3118     11   1408   3840 0.7524 0.7505  -0.25
  340M 0.3398 0.3901     12   1536   4096 0.9333 0.9312  -0.22
  435M 0.4348 0.4893     13   1664   4480  1.158  1.156  -0.19
  546M  0.546 0.6047     14   1792   4864  1.417  1.415  -0.17
  664M 0.6636 0.7265     15   1920   5120  1.692  1.689  -0.15
  810M 0.8096 0.8767     16   2048   5504  2.025  2.022  -0.14
  975M 0.9755  1.047     17   2176   5888    2.4  2.397  -0.12
 1.15B  1.147  1.222     18   2304   6144  2.787  2.784  -0.11
 1.35B  1.355  1.434     19   2432   6528   3.25  3.247  -0.10
 1.59B  1.586   1.67     20   2560   6912  3.763  3.759  -0.09
 1.82B  1.821  1.909     21   2688   7168  4.284   4.28  -0.09
  2.1B  2.102  2.194     22   2816   7552  4.899  4.895  -0.08
 2.41B   2.41  2.506     23   2944   7936  5.571  5.567  -0.07
 2.72B  2.718  2.819     24   3072   8192  6.246  6.241  -0.07
 3.08B  3.082  3.187     25   3200   8576  7.034   7.03  -0.06
 3.48B  3.478  3.587     26   3328   8960  7.887  7.883  -0.06
 3.87B   3.87  3.983     27   3456   9216  8.736  8.731  -0.05
 4.33B  4.329  4.446     28   3584   9600   9.72  9.715  -0.05
 4.82B  4.823  4.944     29   3712   9984  10.78  10.77  -0.05
 5.31B  5.309  5.434     30   3840  10240  11.82  11.81  -0.05
 5.87B  5.873  6.003     31   3968  10624  13.02  13.01  -0.04
 6.48B  6.476  6.611     32   4096  11008   14.3  14.29  -0.04
 7.07B  7.066  7.204     33   4224  11264  15.56  15.55  -0.04
 7.75B  7.747  7.889     34   4352  11648     17  16.99  -0.04
 8.47B   8.47  8.617     35   4480  12032  18.52  18.52  -0.03
 9.17B  9.173  9.324     36   4608  12288  20.01  20.01  -0.03
   10B  10.05   10.2     37   4736  12672  21.85  21.84  -0.03
 10.8B  10.84     11     38   4864  13056  23.51   23.5  -0.03
 11.7B  11.66  11.83     39   4992  13312  25.26  25.25  -0.03
 12.6B  12.61  12.78     40   5120  13696  27.24  27.23  -0.03
"""
ROWS = [
    dict(
        zip(
            ("name", "N", "N_total", "layers", "width", "ffn", "C", "short", "off"), line.split(), strict=True
        )
    )
    for line in PRINTED.strip().splitlines()
]
CHANGED = "10B"
SHAPES = st.builds(
    lambda kv, group, **more: Architecture(heads=kv * group, kv_heads=kv, **more),
    kv=st.integers(1, 16),
    group=st.integers(1, 8),
    layers=st.integers(1, 60),
    width=st.integers(1, 8192),
    ffn_width=st.integers(1, 30000),
    head_size=st.integers(1, 256),
    ffn_matrices=st.sampled_from([2, 3]),
    vocabulary=st.integers(1, 300_000),
    context=st.integers(1, 100_000),
)


def as_printed(value: float) -> str:
    """Four significant digits, as the table has them."""
    return f"{value / 1e9:.4g}"


def test_every_row_is_there_in_its_order():
    assert len(ROWS) == 33
    assert [row["name"] for row in ROWS] == [one.name for one in TABLE_13]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_row_of_table_13(row):
    made = architecture(row["name"])
    assert (str(made.layers), str(made.width)) == (row["layers"], row["width"])
    assert (str(made.ffn_width) == row["ffn"]) is (row["name"] != CHANGED)
    assert as_printed(made.params) == row["N"]
    assert as_printed(made.params_total) == row["N_total"]
    assert as_printed(made.forward_flops_short) == row["short"]
    assert made.forward_flops / 1e9 == pytest.approx(float(row["C"]), rel=5e-4)
    off = 100 * (made.forward_flops_short / made.forward_flops - 1)
    assert off == pytest.approx(float(row["off"]), abs=0.05)


def test_control_the_printed_row_10b_contradicts_itself():
    made = architecture(CHANGED)
    printed = dataclasses.replace(made, ffn_width=12672)
    assert (as_printed(printed.params), as_printed(made.params)) == ("9.982", "10.05")
    # Every feed-forward width is 8/3 of the model's, rounded up to a multiple of 128; so was this one.
    assert all(str(128 * -(-one.width // 48)) == row["ffn"] for one, row in zip(TABLE_13, ROWS, strict=True))


@pytest.mark.parametrize("change", [{"head_size": 1}, {"vocabulary": 32168}, {"ffn_matrices": 2}])
def test_control_another_shape_misses_the_table(change):
    made = dataclasses.replace(architecture("103M"), **change)
    row = ROWS[0]
    assert (as_printed(made.params), as_printed(made.params_total)) != (row["N"], row["N_total"])


def test_control_head_counts_do_matter_to_the_full_count():
    made = architecture("103M")
    few = dataclasses.replace(made, heads=8, kv_heads=8, head_size=128)
    assert as_printed(few.params) == as_printed(made.params)
    assert abs(few.forward_flops / 1e9 / 0.3411 - 1) > 1e-3


@pytest.mark.parametrize("made", TABLE_13, ids=lambda made: made.name)
def test_the_papers_cost_model_from_n_alone(made):
    """Eq. 69 takes d_ffn as 8/3 of the width exactly, hence up to 0.42 %."""
    assert PAPER.forward(made.params) == pytest.approx(made.forward_flops_short, rel=4.2e-3)


def test_a_small_network_counted_matrix_by_matrix():
    made = Architecture(
        layers=2, width=6, ffn_width=10, heads=4, kv_heads=2, head_size=3, vocabulary=7, context=5
    )
    shapes = [(6, 12), (6, 6), (6, 6), (12, 6), (6, 10), (6, 10), (10, 6)]
    matrices = sum(rows * columns for rows, columns in shapes)
    gains = 6 + 6 + 3 + 3
    assert made.params == 2 * (matrices + gains) + 6
    assert made.params_total == made.params + 7 * 6
    # A token sees half of the others on average, where each pair costs two for its logit and two for its value.
    attention = 2 * 5 * 4 * 3
    assert made.forward_flops == 2 * 6 + 2 * (2 * matrices + attention + 2.5 * 4 * 5) + 2 * 7 * 6
    assert made.forward_flops_short == 2 * made.params + 2 * attention + 2 * 7 * 6


@given(made=SHAPES)
def test_the_two_counts_differ_by_embedding_softmax_and_gains(made):
    gains = made.layers * (2 * made.width + 2 * made.head_size) + made.width
    left_out = 2 * made.width + 2.5 * made.layers * made.heads * made.context - 2 * gains
    assert made.forward_flops - made.forward_flops_short == pytest.approx(
        left_out, abs=1e-9 * made.forward_flops
    )
    assert made.params < made.params_total


@given(made=SHAPES, what=st.sampled_from(["layers", "width", "ffn_width", "head_size"]))
def test_a_larger_network_has_more_of_everything(made, what):
    larger = dataclasses.replace(made, **{what: getattr(made, what) + 1})
    assert larger.params > made.params
    assert larger.forward_flops > made.forward_flops
    assert larger.forward_flops_short > made.forward_flops_short


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layers": 0}, "layers = 0; must be a whole number of 1 or more"),
        ({"width": 1024.0}, "width = 1024.0; must be a whole number"),
        ({"heads": True}, "heads = True; must be a whole number"),
        ({"context": "4k"}, "context = '4k'; must be a whole number"),
        ({"kv_heads": 3}, "kv_heads = 3; the 16 heads must share them evenly"),
        ({"kv_heads": 32}, "kv_heads = 32; the 16 heads must share them evenly"),
        ({"name": "a\nb"}, "must be one line of printable text"),
    ],
)
def test_an_unsound_shape_is_refused(change, said):
    with pytest.raises(InputError) as caught:
        dataclasses.replace(architecture("103M"), **change)
    (fault,) = caught.value.faults
    assert said in str(fault) and str(fault).startswith("architecture ")


def test_every_fault_is_listed_at_once():
    with pytest.raises(InputError) as caught:
        dataclasses.replace(TABLE_13[0], name="", layers=-1, kv_heads=5, vocabulary=None)
    assert [fault.what for fault in caught.value.faults] == ["name", "layers", "vocabulary", "kv_heads"]


def test_integers_of_numpy_become_pythons():
    made = dataclasses.replace(TABLE_13[-1], width=np.int32(5120), layers=np.int8(40))
    assert made == TABLE_13[-1] and type(made.params) is int


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        UnknownName, match=r"name = 1B; Table 13 has no architecture of this name\. Choose one of 103M, 143M"
    ):
        architecture("1B")
