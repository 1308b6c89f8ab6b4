"""A camera: a QR code is read back from nothing but its SVG, by `zbarimg`."""

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

SCALE = 4
Modules = list[list[bool]]


def paths(drawing: str) -> list[ET.Element]:
    """The background and the modules."""
    return ET.fromstring(drawing).findall("{*}path")  # noqa: S314 - our own drawing


def drawn(drawing: str) -> Modules:
    """Follow the pen: m moves, h draws a row of modules."""
    size = int(ET.fromstring(drawing).attrib["viewBox"].rpartition(" ")[2])  # noqa: S314 - our own drawing
    modules = [[False] * size for _ in range(size)]
    column, row = 0, -0.5
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", paths(drawing)[1].get("d") or ""):
        x, *y = (float(number) for number in numbers.split())
        if command == "h":
            modules[int(row)][column : column + int(x)] = [True] * int(x)
            column += int(x)
        elif command == "M":
            column, row = int(x), y[0]
        else:
            column, row = column + int(x), row + y[0]
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
