"""A camera: a QR code is read back from nothing but its SVG, by `zbarimg`."""

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

from shared.crypto.qr import SIZE

SCALE = 4
Modules = list[list[bool]]


def paths(drawing: str) -> list[ET.Element]:
    """The background and the modules."""
    return ET.fromstring(drawing).findall("{*}path")  # noqa: S314 - our own drawing


def drawn(drawing: str) -> Modules:
    """Fill the areas: each a rectangle of one row."""
    size = int(ET.fromstring(drawing).attrib["viewBox"].rpartition(" ")[2]) // SIZE  # noqa: S314 - our own drawing
    modules = [[False] * size for _ in range(size)]
    for area in re.findall(rf"M(\d+) (\d+)h(\d+)v{SIZE}H\1z", paths(drawing)[1].get("d") or ""):
        column, row, width = (int(pixels) // SIZE for pixels in area)
        modules[row][column : column + width] = [True] * width
    return modules


def scanned(drawing: str, folder: Path) -> str:
    """What the QR code says, by way of an image in this folder."""
    modules = drawn(drawing)
    image = folder / "qr.pgm"
    lines = [b"".join((b"\0" if dark else b"\xff") * SCALE for dark in row) * SCALE for row in modules]
    width = len(modules) * SCALE
    image.write_bytes(f"P5 {width} {width} 255\n".encode() + b"".join(lines))
    command = ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(image)]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()  # noqa: S603 - fixed words
