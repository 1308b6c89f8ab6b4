import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.pages.assets import Assets
from services.gateway.pages.branding import (
    DARK,
    DISCERNIBLE,
    LIGHT,
    READABLE,
    Colour,
    Scheme,
    accent,
    contrast,
    stylesheet,
)

colours = st.builds(Colour, *(st.integers(0, 255) for _ in range(3)))


def css() -> str:
    assets = Assets()
    asset = assets.find(assets.url("pages.css").removeprefix("/static/"))
    assert asset is not None
    return asset.content.decode()


def test_contrast_is_what_wcag_says_it_is() -> None:
    assert contrast(Colour.of("000000"), Colour.of("ffffff")) == pytest.approx(21)
    assert contrast(Colour.of("767676"), Colour.of("ffffff")) == pytest.approx(4.54, abs=0.01)


@given(colours, st.sampled_from((LIGHT, DARK)))
def test_any_accent_can_be_read_on_its_page_and_its_button(colour: Colour, scheme: Scheme) -> None:
    shown = accent(colour, scheme)

    assert contrast(shown.on_fill, shown.fill) >= READABLE
    assert all(contrast(shown.text, ground) >= READABLE for ground in scheme.grounds)
    assert all(contrast(shown.edge, ground) >= DISCERNIBLE for ground in scheme.grounds)


def test_an_accent_that_can_be_read_as_it_is_stays_as_it_is() -> None:
    colour = Colour.of("1a4fbf")

    shown = accent(colour, LIGHT)

    assert (shown.fill, shown.edge, shown.text) == (colour, colour, colour)


@pytest.mark.parametrize(("scheme", "at"), [(LIGHT, 0), (DARK, 1)])
def test_the_grounds_an_accent_is_fitted_to_are_those_of_the_stylesheet(scheme: Scheme, at: int) -> None:
    rules = css()

    grounds = [re.findall(rf"--{name}: (#\w+);", rules)[at] for name in ("ground", "surface", "sunken")]

    assert [str(ground) for ground in scheme.grounds] == grounds


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("ink", ["text", "muted", "danger", "good"])
def test_every_ink_of_the_stylesheet_can_be_read_on_every_ground(ink: str, at: int) -> None:
    rules = css()

    def value(name: str) -> Colour:
        return Colour.of(re.findall(rf"--{name}: #(\w{{6}});", rules)[at])

    for ground in ("ground", "surface", "sunken", "danger-ground"):
        assert contrast(value(ink), value(ground)) >= READABLE
    for ground in ("ground", "surface", "sunken"):
        assert contrast(value("line-strong"), value(ground)) >= DISCERNIBLE


def test_a_stylesheet_holds_nothing_but_colours() -> None:
    assert re.fullmatch(r"[\w\s:#;{}@(),.-]+", stylesheet("2a5bd0"))


@pytest.mark.parametrize("text", ["", "2a5bd", "2A5BD0", "2a5bd0}", "2a5bd0\n", "red", "٢a5bd0", "../../x"])
def test_what_is_not_six_digits_never_becomes_a_stylesheet(text: str) -> None:
    with pytest.raises(ValueError, match="six hexadecimal digits"):
        stylesheet(text)
