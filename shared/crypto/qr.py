"""A QR code as an SVG image."""

import io

import segno

QUIET_ZONE = 4  # modules, as ISO/IEC 18004 asks


def svg(uri: str, *, title: str = "QR code for your authenticator app") -> str:
    """Draw a URI as SVG: error correction M, black on white whatever the page's colours are.

    It stands inline in a page as well as alone in a file, has no size of its own, and carries neither style
    attributes nor scripts, so that a strict Content-Security-Policy lets it through. `title` is what a screen
    reader says.
    """
    image = io.BytesIO()
    segno.make(uri, error="m", micro=False, boost_error=False).save(
        image,
        kind="svg",
        border=QUIET_ZONE,
        dark="#000",
        light="#fff",
        title=title,
        xmldecl=False,
        svgns=True,
        svgclass=None,
        lineclass=None,
        omitsize=True,
        nl=False,
    )
    # Rows of modules are separate strokes: without crisp edges a scaled image shows white hairlines between
    # them.
    return image.getvalue().decode("utf-8").replace("<svg", '<svg role="img" shape-rendering="crispEdges"', 1)
