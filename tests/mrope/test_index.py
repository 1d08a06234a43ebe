"""Positions from spans, against the definition written out token by token."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_ext.mrope import BadSpans, Spans, rope_index, short


def spans(*placed, times=None):
    starts, grids = zip(*placed, strict=True) if placed else ((), ())
    return Spans(
        np.array(starts, np.int64),
        np.array(grids, np.int64).reshape(-1, 3),
        None if times is None else np.array(times),
    )


def by_definition(length, found):
    """Qwen2-VL, section 2.1: one token after the other."""
    positions, largest, token = [], -1, 0
    starts = found.starts.tolist()
    times = iter(found.times.tolist()) if found.times is not None else None
    while token < length:
        if token not in starts:
            largest += 1
            positions.append((largest,) * 3)
            token += 1
            continue
        frames, rows, columns = found.grids[starts.index(token)].tolist()
        base = largest + 1
        for frame in range(frames):
            time = frame if times is None else next(times)
            for row in range(rows):
                for column in range(columns):
                    positions.append((base + time, base + row, base + column))
        largest = max(max(position) for position in positions)
        token += frames * rows * columns
    return np.array(positions, np.int64).reshape(-1, 3).T, largest + 1


@st.composite
def layouts(draw):
    """A length, and spans anywhere in it: adjacent, first, last, none."""
    placed, token = [], 0
    for _ in range(draw(st.integers(0, 6))):
        token += draw(st.integers(0, 4))
        grid = draw(st.tuples(*[st.integers(1, 4)] * 3))
        placed.append((token, grid))
        token += int(np.prod(grid))
    times = None
    if placed and draw(st.booleans()):
        steps = [draw(st.integers(0, 9)) for _ in placed]
        frames = [grid[0] for _, grid in placed]
        times = [n * step for count, step in zip(frames, steps, strict=True) for n in range(count)]
    return token + draw(st.integers(0, 4)), spans(*placed, times=times)


@pytest.mark.parametrize("few", [short.FEW, -1])
@given(layout=layouts())
def test_is_the_definition(few, layout):
    length, found = layout
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(short, "FEW", few)
        positions, end = rope_index(length, found)
    expected, expected_end = by_definition(length, found)
    assert positions.dtype == np.int64
    assert positions.tolist() == expected.tolist()
    assert end == expected_end


def test_the_example_of_qwen2_5_vl():
    """Three frames of 2 x 2 tokens, 50 positions a frame, then five words: as its source says."""
    positions, end = rope_index(17, spans((0, (3, 2, 2)), times=[0, 50, 100]))
    assert positions[0].tolist() == [0] * 4 + [50] * 4 + [100] * 4 + list(range(101, 106))
    assert positions[1].tolist() == [0, 0, 1, 1] * 3 + list(range(101, 106))
    assert positions[2].tolist() == [0, 1, 0, 1] * 3 + list(range(101, 106))
    assert end == 106


def test_writes_into_a_slice_of_a_batch():
    batch = np.full((3, 2, 9), -1)
    rope_index(9, spans((2, (1, 2, 3))), out=batch[:, 1])
    assert (batch[:, 0] == -1).all()
    assert batch[:, 1].tolist() == rope_index(9, spans((2, (1, 2, 3))))[0].tolist()


@pytest.mark.parametrize(
    ("length", "placed", "said"),
    [
        (9, [(0, (1, 2, 2)), (3, (1, 2, 2))], "span 0 of 2, 4 tokens from 0 on"),
        (9, [(4, (1, 2, 2)), (0, (1, 2, 2))], "span 0 of 2"),
        (9, [(4, (2, 2, 2))], "8 tokens from 4 on, reaches into what follows it; .* 9 tokens"),
    ],
)
def test_spans_that_cannot_be_are_refused(length, placed, said):
    with pytest.raises(BadSpans, match=said):
        rope_index(length, spans(*placed))
