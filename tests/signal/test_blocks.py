"""Blocks of rows cover every row once."""

import numpy as np
import pytest

from disentangled_audio.signal.blocks import BLOCK_SAMPLES, row_blocks


@pytest.mark.parametrize(
    "shape", [(0, 10), (1, 10), (100, BLOCK_SAMPLES // 7), (3, 2 * BLOCK_SAMPLES), (5, 0)]
)
def test_blocks_hold_every_row_once_and_no_more_samples_than_a_row_or_the_limit(
    shape: tuple[int, int],
) -> None:
    rows = np.arange(shape[0])
    blocks = [rows[block] for block in row_blocks(shape)]

    np.testing.assert_array_equal(np.concatenate([rows[:0], *blocks]), rows)
    assert all(len(block) * shape[1] <= max(BLOCK_SAMPLES, shape[1]) for block in blocks)
