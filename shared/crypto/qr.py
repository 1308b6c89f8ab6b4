"""A QR code as an SVG image."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from xml.sax.saxutils import escape

import segno

QUIET_ZONE = 4  # modules, as ISO/IEC 18004 asks
SIZE = 4  # units of a module: pixels, where nobody says otherwise


def svg(uri: str, *, title: str = "QR code for your authenticator app") -> str:
    """Draw a URI as SVG: error correction M, black on white whatever the page's colours are.

    It stands inline in a page as well as alone in a file, and carries neither style attributes nor scripts, so that a
    strict Content-Security-Policy lets it through. `title` is what a screen reader says. Modules are filled areas, not
    strokes: renderers that end strokes in half circles would draw a code that does not scan. They are closed, and
    measured in pixels: ImageMagick, through which `zbarimg` reads a file, misdraws what is open or has to be scaled,
    and one code in six did not scan.
    """
    modules = segno.make(uri, error="m", micro=False, boost_error=False).matrix
    side = (len(modules) + 2 * QUIET_ZONE) * SIZE
    return (
        '<svg role="img" shape-rendering="crispEdges" xmlns="http://www.w3.org/2000/svg"'
        f' width="{side}" height="{side}" viewBox="0 0 {side} {side}">'
        f'<title>{escape(title)}</title><path fill="#fff" d="M0 0h{side}v{side}h-{side}z"/>'
        f'<path fill="#000" d="{"".join(_areas(modules))}"/></svg>'
    )


def _areas(modules: Sequence[Sequence[int]]) -> Iterator[str]:
    """Each run of dark modules in a row as a rectangle."""
    for y, row in enumerate(modules, QUIET_ZONE):
        x = QUIET_ZONE
        for dark, run in groupby(row):
            width = len(list(run))
            if dark:
                yield f"M{x * SIZE} {y * SIZE}h{width * SIZE}v{SIZE}H{x * SIZE}z"
            x += width
