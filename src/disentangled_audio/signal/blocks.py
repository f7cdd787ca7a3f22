"""Rows in blocks that fit a processor's cache, so that temporaries stay small."""

from collections.abc import Iterator

# Eight clips of a second at 16 kHz, whose frames take 2 MB. The allocator returns larger
# temporaries to the system every time, and allocating them again takes longer than the work.
BLOCK_SAMPLES = 1 << 17


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut the rows of an array into blocks of about `BLOCK_SAMPLES` values.

    Parameters
    ----------
    shape : (n_rows, row_length)

    Yields
    ------
    slice
        One row or more; together, all rows in order.
    """
    n_rows, row_length = shape
    rows = max(1, BLOCK_SAMPLES // max(1, row_length))
    for first in range(0, n_rows, rows):
        yield slice(first, min(first + rows, n_rows))
