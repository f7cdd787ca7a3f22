"""Links of a chained Ogg file, of which libsndfile reads only the first, and none with FLAC.

References
----------
RFC 3533, "The Ogg encapsulation format", sections 4 (chaining) and 6 (pages); Xiph.Org, "Ogg FLAC
mapping".
"""

from collections.abc import Iterator
from dataclasses import dataclass

from disentangled_audio.corpora.sources.folder import truncated

_CAPTURE = b"OggS"
_BEGINS_STREAM = 2
# What comes before the first block of FLAC on its first page.
_FLAC_HEAD = 9


@dataclass(frozen=True)
class _Page:
    """Positions of a page, of its body and of its end, and its stream."""

    start: int
    body: int
    end: int
    stream: bytes
    begins_stream: bool


def links(content: bytes) -> list[bytes]:
    """Split a file that was joined from several Ogg files.

    Parameters
    ----------
    content : bytes
        A file of any format.

    Returns
    -------
    list of bytes
        Each joined file in order, without the Ogg around FLAC; the content itself if there is one,
        or it is not Ogg.

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
        page.start
        for page, before in zip(pages[1:], pages, strict=False)
        if page.begins_stream and not before.begins_stream
    ]
    if not starts and not _is_flac(content, pages[0]):
        return [content]
    ends = [*starts, len(content)]
    return [
        _link(content, start, end, pages) for start, end in zip([0, *starts], ends, strict=True)
    ]


def _link(content: bytes, start: int, end: int, pages: list[_Page]) -> bytes:
    own = [page for page in pages if start <= page.start < end]
    if not _is_flac(content, own[0]):
        return content[start:end]
    # libsndfile reads FLAC only without its Ogg.
    stream = [page for page in own if page.stream == own[0].stream]
    return b"".join(content[page.body : page.end] for page in stream)[_FLAC_HEAD:]


def _is_flac(content: bytes, page: _Page) -> bool:
    return content.startswith(b"\x7fFLAC", page.body)


def _pages(content: bytes) -> Iterator[_Page]:
    start = 0
    while (start := content.find(_CAPTURE, start)) >= 0:
        sizes_start = start + 27
        body = sizes_start + content[start + 26] if sizes_start <= len(content) else sizes_start
        end = body + sum(content[sizes_start:body])
        if end > len(content):
            raise truncated(f": {len(content) - start} of {end - start} bytes of the last Ogg page")
        begins_stream = bool(content[start + 5] & _BEGINS_STREAM)
        yield _Page(start, body, end, content[start + 14 : start + 18], begins_stream)
        start = end
