"""The conversations of a login over auth, policy and enrollment: the way they go, and what time does to them."""

from datetime import timedelta

import pytest

from shared.contracts.auth import LoginFailed
from shared.contracts.enrollment import EnrollmentRejected, EnrollmentStarted, OtpRejected
from shared.contracts.policy import AccessGranted, OtpRequired, Rule
from shared.contracts.refusals import RefusalCode, RequestRefused
from shared.contracts.vocabulary import AuthenticatorType, CodeFailure, Mode, TenantId
from shared.crypto.otp import STEP
from tests.component.conftest import Joined
from tests.examples import CUSTOMER, GRACE_CUSTOMER, OPEN_CUSTOMER, OPTIONAL, VENDOR, Person, somebody, tenant

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def refusal(answer: object) -> RefusalCode:
    assert isinstance(answer, RequestRefused)
    return answer.code


def way(joined: Joined, since: int) -> list[str]:
    """The kinds of messages that were sent, in their order."""
    return [topic.removesuffix(".v1") for topic in joined.wire.topics[since:]]


async def test_a_login_goes_the_way_that_the_architecture_draws(joined: Joined) -> None:
    ada = await joined.hire(somebody(CUSTOMER))
    begun = len(joined.wire.letters)

    login = joined.login(ada)
    phone = joined.phone(await login.begin())
    confirming = len(joined.wire.letters)
    await login.confirm(phone.code(joined.clock()))
    asking = len(joined.wire.letters)
    later = joined.login(ada)
    asked = await later.begin()
    verifying = len(joined.wire.letters)
    await later.verify(phone.code(joined.clock(), steps=1))

    assert way(joined, begun)[: confirming - begun] == [
        "verify-password",
        "login.succeeded",
        "enrollment.required",
        "enrollment.started",
    ]
    assert way(joined, confirming)[: asking - confirming] == [
        "confirm-enrollment",
        "enrollment.confirmed",
        "access.granted",
    ]
    assert way(joined, asking)[: verifying - asking] == ["verify-password", "login.succeeded", "otp.required"]
    assert way(joined, verifying) == ["verify-otp", "otp.verified", "access.granted"]
    assert isinstance(asked, OtpRequired)


async def test_every_hop_belongs_to_the_conversation_that_it_serves(joined: Joined) -> None:
    ada = await joined.hire(somebody(CUSTOMER))
    begun = len(joined.wire.letters)
    login = joined.login(ada)

    await login.begin()

    letters = joined.wire.letters[begun:]
    assert {letter.correlation_id for letter in letters} == {login.flow}
    assert len({(letter.reply_to, letter.headers["x-attempt"]) for letter in letters}) == 1
    assert len({letter.headers["x-message-id"] for letter in letters}) == len(letters)
    assert [bool(letter.headers.get("CC")) for letter in letters] == [False, False, False, True]


async def test_a_qr_code_that_has_expired_gives_way_to_another(joined: Joined) -> None:
    ada = await joined.hire(somebody(CUSTOMER))
    login = joined.login(ada)
    old = joined.phone(await login.begin())

    joined.clock.pass_by(15 * MINUTE)
    too_late = await login.confirm(old.code(joined.clock()))
    new = joined.phone(await login.resume())
    confirmed = await login.confirm(new.code(joined.clock()))

    assert isinstance(too_late, EnrollmentRejected)
    assert too_late.reason is CodeFailure.ENROLLMENT_EXPIRED
    assert new.code(joined.clock()) != old.code(joined.clock())
    assert isinstance(confirmed, AccessGranted)


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_a_code_is_good_one_step_early_or_late(joined: Joined, steps: int, *, good: bool) -> None:
    ada = await joined.hire(somebody(CUSTOMER))
    phone = await joined.enrolled(ada)
    joined.clock.pass_by(10 * MINUTE)
    login = joined.login(ada)
    await login.begin()

    answer = await login.verify(phone.code(joined.clock(), steps=steps))

    assert isinstance(answer, AccessGranted if good else OtpRejected)


async def test_the_code_of_the_confirmation_is_used_up_at_once_and_a_minute_later(joined: Joined) -> None:
    ada = await joined.hire(somebody(CUSTOMER))
    login = joined.login(ada)
    phone = joined.phone(await login.begin())
    confirming = phone.code(joined.clock())
    await login.confirm(confirming)
    later = joined.login(ada)
    await later.begin()

    at_once = await later.verify(confirming)
    joined.clock.pass_by(MINUTE)
    a_minute_later = await later.verify(confirming)

    assert isinstance(at_once, OtpRejected)
    assert at_once.reason is CodeFailure.ALREADY_USED
    assert isinstance(a_minute_later, OtpRejected)


async def test_a_grace_period_ends_when_it_was_said_to_end(joined: Joined) -> None:
    clara = await joined.hire(somebody(GRACE_CUSTOMER))
    first = joined.login(clara)
    shown = await first.begin()
    assert isinstance(shown, EnrollmentStarted)
    deadline = shown.skippable_until
    granted = await first.skip()

    joined.clock.pass_by(7 * DAY - 5 * MINUTE)
    later = joined.login(clara)
    shown_later = await later.begin()
    joined.clock.pass_by(5 * MINUTE)
    too_late = await later.skip()
    after = joined.login(clara)
    shown_after = await after.begin()

    assert isinstance(granted, AccessGranted)
    assert granted.granted_until == deadline
    assert isinstance(shown_later, EnrollmentStarted)
    assert shown_later.skippable_until == deadline, "a second login does not begin the week anew"
    assert refusal(too_late) is RefusalCode.ENROLLMENT_REQUIRED
    assert isinstance(shown_after, EnrollmentStarted)
    assert shown_after.skippable_until is None
    assert refusal(await after.skip()) is RefusalCode.ENROLLMENT_REQUIRED


async def test_a_grace_period_does_not_begin_anew_when_the_policy_is_taken_back_and_made_again(joined: Joined) -> None:
    clara = await joined.hire(somebody(GRACE_CUSTOMER))
    shown = await joined.login(clara).begin()
    assert isinstance(shown, EnrollmentStarted)
    joined.clock.pass_by(3 * DAY)

    await joined.load(tenant(GRACE_CUSTOMER, parent=VENDOR, staff=OPTIONAL))
    meanwhile = await joined.login(clara).begin()
    await joined.load(tenant(GRACE_CUSTOMER, parent=VENDOR, staff=Rule(mode=Mode.REQUIRED, grace_days=30)))
    again = await joined.login(clara).begin()

    assert isinstance(meanwhile, AccessGranted)
    assert isinstance(again, EnrollmentStarted)
    assert again.skippable_until == shown.skippable_until


async def test_the_policy_of_the_last_moment_decides(joined: Joined) -> None:
    clara = await joined.hire(somebody(GRACE_CUSTOMER))
    login = joined.login(clara)
    await login.begin()

    await joined.load(tenant(GRACE_CUSTOMER, parent=VENDOR, staff=Rule(mode=Mode.REQUIRED)))
    skipped = await login.skip()

    assert refusal(skipped) is RefusalCode.ENROLLMENT_REQUIRED


async def test_a_user_of_an_account_that_nobody_knows_is_refused(joined: Joined) -> None:
    stray = await joined.hire(somebody(TenantId("no-such-account")))

    answer = await joined.login(stray).begin()

    assert refusal(answer) is RefusalCode.ACCESS_DENIED


async def test_after_five_wrong_codes_a_right_one_waits_and_is_good_when_the_wait_is_over(joined: Joined) -> None:
    ada = await joined.hire(somebody(CUSTOMER))
    phone = await joined.enrolled(ada)
    joined.clock.pass_by(10 * MINUTE)
    login = joined.login(ada)
    await login.begin()

    wrong = [await login.verify(phone.code(joined.clock(), steps=steps)) for steps in range(10, 15)]
    throttled = await login.verify(phone.code(joined.clock()))
    elsewhere = joined.login(ada)
    await elsewhere.begin()
    throttled_elsewhere = await elsewhere.verify(phone.code(joined.clock()))
    joined.clock.pass_by(MINUTE + STEP)
    admitted = await login.verify(phone.code(joined.clock()))

    assert all(isinstance(answer, OtpRejected) for answer in wrong)
    assert refusal(throttled) is refusal(throttled_elsewhere) is RefusalCode.TOO_MANY_ATTEMPTS
    assert isinstance(admitted, AccessGranted)


async def test_a_recovery_code_is_good_years_later_and_once(joined: Joined) -> None:
    ada = await joined.hire(somebody(CUSTOMER))
    login = joined.login(ada)
    phone = joined.phone(await login.begin())
    granted = await login.confirm(phone.code(joined.clock()))
    assert isinstance(granted, AccessGranted)
    code = joined.recovery_codes(granted)[0]
    joined.clock.pass_by(365 * DAY)
    later, again = joined.login(ada), joined.login(ada)
    await later.begin()
    await again.begin()

    used = await later.verify(code, AuthenticatorType.RECOVERY_CODE)
    used_again = await again.verify(code, AuthenticatorType.RECOVERY_CODE)

    assert isinstance(used, AccessGranted)
    assert isinstance(used_again, OtpRejected)


async def test_a_wrong_password_and_a_stranger_get_the_same_answer(joined: Joined) -> None:
    bob = await joined.hire(somebody(OPEN_CUSTOMER))

    wrong = await joined.login(Person(bob.username, bob.tenant_id, password="wrong")).begin()
    stranger = await joined.login(somebody(OPEN_CUSTOMER)).begin()

    assert isinstance(wrong, LoginFailed)
    assert isinstance(stranger, LoginFailed)
