"""One-time passwords against the vectors of their RFCs, and against what people and attackers type."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote

import pyotp
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.crypto.otp import (
    LONGEST_NAME,
    STEP,
    Algorithm,
    clock_skew,
    code_at,
    from_base32,
    key_uri,
    matching_step,
    new_secret,
    normalised,
    step_at,
    to_base32,
)

SECRET = b"12345678901234567890"
NOW = datetime(2026, 3, 1, 12, 0, 15, tzinfo=UTC)

# RFC 6238 appendix B uses a secret as long as the output of each hash.
SECRETS: dict[Algorithm, bytes] = {
    "SHA1": SECRET,
    "SHA256": b"12345678901234567890123456789012",
    "SHA512": b"1234567890123456789012345678901234567890123456789012345678901234",
}
RFC_6238: list[tuple[int, Algorithm, str]] = [
    (59, "SHA1", "94287082"),
    (59, "SHA256", "46119246"),
    (59, "SHA512", "90693936"),
    (1111111109, "SHA1", "07081804"),
    (1111111109, "SHA256", "68084774"),
    (1111111109, "SHA512", "25091201"),
    (1111111111, "SHA1", "14050471"),
    (1111111111, "SHA256", "67062674"),
    (1111111111, "SHA512", "99943326"),
    (1234567890, "SHA1", "89005924"),
    (1234567890, "SHA256", "91819424"),
    (1234567890, "SHA512", "93441116"),
    (2000000000, "SHA1", "69279037"),
    (2000000000, "SHA256", "90698825"),
    (2000000000, "SHA512", "38618901"),
    (20000000000, "SHA1", "65353130"),
    (20000000000, "SHA256", "77737706"),
    (20000000000, "SHA512", "47863826"),
]
RFC_4226 = [
    "755224",
    "287082",
    "359152",
    "969429",
    "338314",
    "254676",
    "287922",
    "162583",
    "399871",
    "520489",
]

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100).filter(lambda name: name.strip())


@pytest.mark.parametrize(("counter", "code"), list(enumerate(RFC_4226)))
def test_the_vectors_of_rfc_4226_appendix_d(counter: int, code: str) -> None:
    assert code_at(SECRET, counter) == code


@pytest.mark.parametrize(("seconds", "algorithm", "code"), RFC_6238)
def test_the_vectors_of_rfc_6238_appendix_b(seconds: int, algorithm: Algorithm, code: str) -> None:
    step = step_at(datetime.fromtimestamp(seconds, UTC))

    assert code_at(SECRETS[algorithm], step, digits=8, algorithm=algorithm) == code


def test_a_new_secret_has_160_bits_and_is_never_the_same() -> None:
    secrets = {new_secret() for _ in range(100)}

    assert {len(secret) for secret in secrets} == {20}
    assert len(secrets) == 100


@given(st.binary(min_size=16, max_size=128))
def test_base32_goes_out_without_padding_and_comes_back(secret: bytes) -> None:
    text = to_base32(secret)

    assert "=" not in text
    assert from_base32(text) == secret


@pytest.mark.parametrize(
    "text",
    [
        "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
        "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ",
        f"{to_base32(SECRET)}====",
    ],
)
def test_a_secret_is_read_however_a_person_writes_it(text: str) -> None:
    assert from_base32(text) == SECRET


@pytest.mark.parametrize(
    "text", ["", "GEZDGNBVGY3TQOJQGEZDGNBV", "A" * 400, "GEZDGNBV0Y3TQOJQGEZDGNBVGY3TQOJQ", "gehe\u0131m" * 6]
)
def test_a_short_long_or_garbled_secret_is_refused_without_telling_it(text: str) -> None:
    with pytest.raises(ValueError, match="secret") as refusal:
        from_base32(text)

    assert text == "" or text not in str(refusal.value)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        step_at(NOW.replace(tzinfo=None))


def test_a_step_is_the_same_in_every_time_zone() -> None:
    assert step_at(NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))) == step_at(NOW)


@pytest.mark.parametrize("typed", ["{} {}", " {}{} ", "{}\u00a0{}", "{}\u202f{}\n", "{}\t{}"])
def test_white_space_in_a_typed_code_does_not_matter(typed: str) -> None:
    code = code_at(SECRET, step_at(NOW))

    assert matching_step(SECRET, typed.format(code[:3], code[3:]), NOW) == step_at(NOW)
    assert normalised(typed.format(code[:3], code[3:])) == code


@pytest.mark.parametrize(("offset", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_good_one_step_before_and_after_and_no_longer(offset: int, good: bool) -> None:  # noqa: FBT001 - a case
    step = step_at(NOW) + offset

    assert matching_step(SECRET, code_at(SECRET, step), NOW) == (step if good else None)


def test_a_strict_window_takes_the_current_code_only() -> None:
    step = step_at(NOW)

    assert matching_step(SECRET, code_at(SECRET, step), NOW, window=0) == step
    assert matching_step(SECRET, code_at(SECRET, step - 1), NOW, window=0) is None


@pytest.mark.parametrize(
    "code",
    [
        "",
        "12345",
        "1234567",
        "abcdef",
        "\u0661\u0662\u0663\u0664\u0665\u0666",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "²²²²²²",
        "+12345",
        "-12345",
        "1_2345",
        "12.345",
        "\0" * 6,
        "1" * 10**6,
    ],
)
def test_what_is_not_six_ascii_digits_matches_nothing(code: str) -> None:
    assert matching_step(SECRET, code, NOW, window=50) is None
    assert clock_skew(SECRET, code, NOW) is None


def test_a_code_that_belongs_to_two_steps_cannot_be_used_at_each_of_them() -> None:
    secret, earlier, later = two_steps_of_one_code()
    now = datetime.fromtimestamp((earlier + 1) * 30, UTC)

    matched = matching_step(secret, code_at(secret, earlier), now, window=later - earlier)

    assert matched == later


def test_of_two_explanations_for_a_wrong_clock_the_nearer_is_given() -> None:
    secret, earlier, later = two_steps_of_one_code()
    span = (later - earlier + 2) * STEP
    code = code_at(secret, earlier)

    assert clock_skew(secret, code, datetime.fromtimestamp((earlier + 1) * 30, UTC), within=span) == -STEP
    assert clock_skew(secret, code, datetime.fromtimestamp((later - 1) * 30, UTC), within=span) == STEP


def two_steps_of_one_code() -> tuple[bytes, int, int]:
    seen: dict[str, int] = {}
    for step in range(100, 10_000):
        earlier = seen.setdefault(code_at(SECRET, step), step)
        if earlier != step:
            return SECRET, earlier, step
    raise AssertionError("among ten thousand codes two are the same")


def test_at_the_very_epoch_no_step_is_negative() -> None:
    assert matching_step(SECRET, "755224", datetime(1970, 1, 1, tzinfo=UTC)) == 0


@pytest.mark.parametrize("steps", [-10, -3, 0, 4, 10])
def test_the_skew_tells_how_far_the_phone_is_ahead(steps: int) -> None:
    phone = NOW + steps * STEP

    assert clock_skew(SECRET, code_at(SECRET, step_at(phone)), NOW) == steps * STEP


def test_a_phone_that_is_further_off_gets_no_hint() -> None:
    code = code_at(SECRET, step_at(NOW + timedelta(minutes=6)))

    assert clock_skew(SECRET, code, NOW) is None
    assert clock_skew(SECRET, code, NOW, within=timedelta(minutes=10)) == timedelta(minutes=6)


def test_the_key_uri_states_everything_an_app_may_ask() -> None:
    uri = key_uri(SECRET, issuer="Société A/B", username="ann+1@example.com 🙂")

    assert uri == (
        "otpauth://totp/Soci%C3%A9t%C3%A9%20A%2FB:ann%2B1%40example.com%20%F0%9F%99%82"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Soci%C3%A9t%C3%A9%20A%2FB"
        "&algorithm=SHA1&digits=6&period=30"
    )


@given(issuer=names, username=names)
def test_any_names_come_through_the_uri_and_neither_can_add_a_parameter(issuer: str, username: str) -> None:
    assume(issuer.split() and username.split())

    uri = key_uri(SECRET, issuer=issuer, username=username)
    read = pyotp.parse_uri(uri)

    assert isinstance(read, pyotp.TOTP)
    assert read.issuer == shown(issuer)
    assert read.name == shown(username)
    assert (read.secret, read.digits, read.interval) == (to_base32(SECRET), 6, 30)
    assert uri.count(":") == 2
    assert "+" not in uri


def shown(name: str) -> str:
    label = " ".join(name.split()).replace(":", "∶")  # noqa: RUF001 - the look-alike is meant
    return label if len(label) <= LONGEST_NAME else label[: LONGEST_NAME - 1] + "…"


def test_a_colon_cannot_pass_a_username_off_as_an_issuer() -> None:
    uri = key_uri(SECRET, issuer="Bank: Private", username="Other Bank:ann")

    label, _, query = uri.removeprefix("otpauth://totp/").partition("?")
    issuer, username = (unquote(part) for part in label.split(":"))

    assert (issuer, username) == ("Bank∶ Private", "Other Bank∶ann")  # noqa: RUF001 - the look-alike is meant
    assert f"issuer={label.split(':')[0]}&" in query


@pytest.mark.parametrize(("issuer", "username"), [("", "ann"), ("Acme", "  ")])
def test_a_uri_without_a_name_is_refused(issuer: str, username: str) -> None:
    with pytest.raises(ValueError, match="needed"):
        key_uri(SECRET, issuer=issuer, username=username)
