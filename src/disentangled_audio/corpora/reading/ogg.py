"""Links of a chained Ogg file, of which libsndfile reads only the first.

References
----------
RFC 3533, "The Ogg encapsulation format", sections 4 (chaining) and 6 (pages).
"""

from collections.abc import Iterator

from disentangled_audio.corpora.sources.folder import truncated

_CAPTURE = b"OggS"
_BEGINS_STREAM = 2


def links(content: bytes) -> list[bytes]:
    """Split a file that was joined from several Ogg files.

    Parameters
    ----------
    content : bytes
        A file of any format.

    Returns
    -------
    list of bytes
        Each joined file in order; the content itself if there is one, or it is not Ogg.

    Raises
    ------
    RejectedError
        If the last page is cut.
    """
    if not content.startswith(_CAPTURE):
        return [content]
    pages = list(_pages(content))
    # The streams of one link, such as sound and pictures, all begin on its first pages.
    starts = [
        start
        for (start, begins_stream), (_, begun_before) in zip(pages[1:], pages, strict=False)
        if begins_stream and not begun_before
    ]
    ends = [*starts, len(content)]
    return [content[start:end] for start, end in zip([0, *starts], ends, strict=True)]


def _pages(content: bytes) -> Iterator[tuple[int, bool]]:
    """Position of each page, and whether a stream begins on it."""
    start = 0
    while (start := content.find(_CAPTURE, start)) >= 0:
        sizes_start = start + 27
        sizes_end = (
            sizes_start + content[start + 26] if sizes_start <= len(content) else sizes_start
        )
        end = sizes_end + sum(content[sizes_start:sizes_end])
        if end > len(content):
            raise truncated(f": {len(content) - start} of {end - start} bytes of the last Ogg page")
        yield start, bool(content[start + 5] & _BEGINS_STREAM)
        start = end
