"""A tenant's look: how an accent stays readable on light and dark."""

from dataclasses import dataclass

from shared.contracts.branding import HEX

_KNEE = 0.04045  # of the sRGB curve: IEC 61966-2-1

READABLE = 4.5  # text: WCAG 2.2, success criterion 1.4.3
DISCERNIBLE = 3.0  # the parts of a control: success criterion 1.4.11


@dataclass(frozen=True)
class Colour:
    """A colour of the sRGB space, each part from 0 to 255."""

    red: int
    green: int
    blue: int

    @classmethod
    def of(cls, hexadecimal: str) -> "Colour":
        """Read six lower-case hexadecimal digits; raises ValueError for anything else, which might close the rule."""
        if HEX.fullmatch(hexadecimal) is None:
            raise ValueError("a colour is six hexadecimal digits")
        return cls(*bytes.fromhex(hexadecimal))

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    @property
    def luminance(self) -> float:
        """Relative luminance from 0 (black) to 1 (white), as WCAG 2.2 defines it."""
        red, green, blue = (_linear(part / 255) for part in (self.red, self.green, self.blue))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def towards(self, other: "Colour", share: float) -> "Colour":
        """Mix in a share of another colour."""
        parts = zip((self.red, self.green, self.blue), (other.red, other.green, other.blue), strict=True)
        return Colour(*(round(mine + (theirs - mine) * share) for mine, theirs in parts))


BLACK = Colour.of("000000")
WHITE = Colour.of("ffffff")


@dataclass(frozen=True)
class Scheme:
    """What an accent is seen against: the grounds of the page, and the end of the scale that is far from them."""

    grounds: tuple[Colour, ...]
    far: Colour


LIGHT = Scheme(grounds=(Colour.of("f4f6f8"), WHITE, Colour.of("f1f4f7")), far=BLACK)
DARK = Scheme(grounds=(Colour.of("0f141b"), Colour.of("171e28"), Colour.of("1f2833")), far=WHITE)


@dataclass(frozen=True)
class Accent:
    """An accent as one scheme shows it: a button, what is written on it, its edge and other marks, and words."""

    fill: Colour
    on_fill: Colour
    edge: Colour
    text: Colour


def contrast(one: Colour, other: Colour) -> float:
    """The contrast of two colours, from 1 (none) to 21 (black on white)."""
    lighter, darker = sorted((one.luminance, other.luminance), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def accent(colour: Colour, scheme: Scheme) -> Accent:
    """Fit a tenant's colour to a scheme: buttons are filled with just this colour, marks and words are near to it.

    Black or white on any colour at all has a contrast of 4.58 or more, so a fill can be written on whatever it is.
    """
    on_fill = max((WHITE, BLACK), key=lambda text: contrast(text, colour))
    return Accent(colour, on_fill, _apart(colour, scheme, DISCERNIBLE), _apart(colour, scheme, READABLE))


def stylesheet(hexadecimal: str) -> str:
    """The custom properties of an accent for both schemes; raises ValueError for what is not six hexadecimal digits."""
    colour = Colour.of(hexadecimal)
    light, dark = accent(colour, LIGHT), accent(colour, DARK)
    return f":root{{{_properties(light)}}}\n@media (prefers-color-scheme:dark){{:root{{{_properties(dark)}}}}}\n"


def _apart(colour: Colour, scheme: Scheme, least: float) -> Colour:
    """Move a colour away from the grounds of a scheme, in steps of a hundredth, until it can be told from them."""
    candidates = (colour.towards(scheme.far, step / 100) for step in range(101))
    return next(
        candidate for candidate in candidates if all(contrast(candidate, ground) >= least for ground in scheme.grounds)
    )


def _linear(part: float) -> float:
    return part / 12.92 if part <= _KNEE else float(((part + 0.055) / 1.055) ** 2.4)


def _properties(accent: Accent) -> str:
    return (
        f"--accent:{accent.fill};--on-accent:{accent.on_fill};--accent-edge:{accent.edge};--accent-text:{accent.text}"
    )
