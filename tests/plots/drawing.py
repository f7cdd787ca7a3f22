"""Drawing a figure shows that its layout works."""

from io import BytesIO

from matplotlib.figure import Figure


def draw(figure: Figure) -> None:
    """Save a figure as PNG; tests turn warnings about its layout into errors."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")
