"""What a person goes through, over HTTP, with everything running; each request at another gateway than the last."""

import base64
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from shared.crypto.otp import STEP
from shared.runtime.clock import now
from tests.app import App, oathtool
from tests.e2e.conftest import Browsers, Enrolling
from tests.examples import CUSTOMER, GRACE_CUSTOMER, OPEN_CUSTOMER, Person, somebody
from tests.scanner import scanned
from tests.system import System


async def test_who_must_sets_up_an_app_and_is_asked_for_a_code_ever_after(
    system: System, browser: Browsers, tmp_path: Path
) -> None:
    ada = somebody(CUSTOMER, display_name="Ada Lovelace")
    await system.hire(ada)
    first, later = browser(), browser()

    shown = await first.login(ada)
    enrollment = shown.body["enrollment"]
    uri = scanned(enrollment["qr_svg"], tmp_path)
    secret = parse_qs(urlsplit(uri).query)["secret"][0]
    app = App(uri)
    confirming = oathtool(secret, app.next_moment())
    confirmed = await first.confirm(confirming)

    assert shown.said == (200, "enrollment_required")
    assert (uri, secret) == (enrollment["otpauth_uri"], enrollment["secret"])
    assert len(base64.b32decode(secret)) == 20
    assert unquote(urlsplit(uri).path) == f"/The customer-1:{ada.username}"
    assert confirmed.said == (200, "authenticated")
    assert len(set(confirmed.body["recovery_codes"])) == 10
    session = (await first.session()).body
    assert session["amr"] == ["pwd", "otp"]
    assert (session["username"], session["display_name"]) == (ada.username, "Ada Lovelace")
    assert (session["tenant_id"], session["assurance"]) == (CUSTOMER, 2)

    asked = await later.login(ada)
    with_the_confirming_code = await later.otp(confirming)
    code = oathtool(secret, app.next_moment())
    with_the_next = await later.otp(code)
    again = browser()
    await again.login(ada)
    with_the_same = await again.otp(code)

    assert asked.said == (200, "otp_required")
    assert asked.body["challenge"] == {"methods": ["totp", "recovery_code"]}
    assert with_the_confirming_code.said == (401, "invalid_code")
    assert with_the_next.said == (200, "authenticated")
    assert "recovery_codes" not in with_the_next.body
    assert with_the_same.said == (401, "invalid_code")
    assert (await again.session()).said == (401, "no_session")


async def test_where_nobody_demands_a_second_factor_the_password_lets_in(system: System, browser: Browsers) -> None:
    bob = somebody(OPEN_CUSTOMER)
    await system.hire(bob)
    at_work = browser()

    signed_in = await at_work.login(bob)

    assert signed_in.said == (200, "authenticated")
    assert (signed_in.body["session"]["amr"], signed_in.body["session"]["assurance"]) == (["pwd"], 1)
    assert (await at_work.session()).status == 200


async def test_who_has_an_app_of_his_own_accord_is_asked_for_it_where_nobody_demands_it(
    system: System, browser: Browsers
) -> None:
    bob = somebody(OPEN_CUSTOMER)
    app = await system.bring(bob)
    at_work = browser()

    asked = await at_work.login(bob)
    verified = await at_work.otp(app.next_code())

    assert asked.said == (200, "otp_required")
    assert verified.said == (200, "authenticated")
    assert verified.body["session"]["assurance"] == 2


async def test_a_wrong_password_and_an_unknown_user_cannot_be_told_apart(system: System, browser: Browsers) -> None:
    ada = somebody()
    await system.hire(ada)
    stranger = browser()

    wrong = await stranger.login(Person(ada.username, ada.tenant_id, password="not hers"))
    unknown = await stranger.login(somebody())

    assert wrong.said == unknown.said == (401, "invalid_credentials")
    assert wrong.body == unknown.body
    assert not stranger.cookies
    assert (await stranger.reload()).said == (404, "no_login")


async def test_a_wrong_code_can_be_corrected_and_the_qr_code_stays_the_same(system: System, browser: Browsers) -> None:
    ada = somebody()
    await system.hire(ada)
    at_home = browser()
    shown = await at_home.login(ada)
    app = App(shown.body["enrollment"]["otpauth_uri"])

    wrong = await at_home.confirm(app.wrong_code())
    reloaded = await at_home.reload()
    confirmed = await at_home.confirm(app.next_code())

    assert wrong.said == (401, "invalid_code")
    assert "clock_skew_seconds" not in wrong.body
    assert reloaded.body["enrollment"] == shown.body["enrollment"]
    assert confirmed.said == (200, "authenticated")


async def test_a_second_tab_and_a_second_browser_show_the_same_secret(system: System, browser: Browsers) -> None:
    ada = somebody()
    await system.hire(ada)
    at_home, at_work = browser(), browser()

    shown = await at_home.login(ada)
    in_a_second_tab = await at_home.other_tab().reload()
    in_a_second_browser = await at_work.login(ada)

    secrets = {answer.body["enrollment"]["secret"] for answer in (shown, in_a_second_tab, in_a_second_browser)}
    assert len(secrets) == 1


async def test_who_set_up_his_app_elsewhere_is_asked_for_a_code_here(system: System, browser: Browsers) -> None:
    ada = somebody()
    await system.hire(ada)
    at_home, at_work = browser(), browser()
    shown = await at_home.login(ada)
    await at_work.login(ada)
    app = App(shown.body["enrollment"]["otpauth_uri"])
    await at_work.confirm(app.next_code())

    confirmed_again = await at_home.confirm(app.wrong_code())
    reloaded = await at_home.reload()
    verified = await at_home.otp(app.next_code())

    assert confirmed_again.said == (409, "wrong_state")
    assert reloaded.said == (200, "otp_required")
    assert verified.said == (200, "authenticated")


@pytest.mark.parametrize("minutes", [-4, 4])
async def test_a_phone_with_a_wrong_clock_is_told_so_at_enrollment_only(
    system: System, browser: Browsers, enrolled: Enrolling, minutes: int
) -> None:
    ada = somebody()
    await system.hire(ada)
    at_home = browser()
    shown = await at_home.login(ada)
    off = timedelta(minutes=minutes)

    hinted = await at_home.confirm(App(shown.body["enrollment"]["otpauth_uri"]).phone.code(now() + off))
    known = await enrolled(somebody())
    await known.browser.login(known.person)
    not_hinted = await known.browser.otp(known.app.phone.code(now() + off))

    assert hinted.said == not_hinted.said == (401, "invalid_code")
    assert abs(hinted.body["clock_skew_seconds"] - off.total_seconds()) <= STEP.total_seconds()
    assert "clock_skew_seconds" not in not_hinted.body


async def test_grace_puts_enrollment_off_until_a_deadline_that_does_not_move(system: System, browser: Browsers) -> None:
    clara = somebody(GRACE_CUSTOMER)
    await system.hire(clara)
    today, tomorrow = browser(), browser()

    shown = await today.login(clara)
    skipped = await today.skip()
    shown_again = await tomorrow.login(clara)

    deadline = shown.body["enrollment"]["skippable_until"]
    assert datetime.fromisoformat(deadline) - now() > timedelta(days=6, hours=23)
    assert skipped.said == (200, "authenticated")
    assert skipped.body["session"]["amr"] == ["pwd"]
    assert datetime.fromisoformat(skipped.body["session"]["expires_at"]) <= datetime.fromisoformat(deadline)
    assert shown_again.said == (200, "enrollment_required")
    assert shown_again.body["enrollment"]["skippable_until"] == deadline


async def test_without_grace_there_is_no_way_around_the_app(system: System, browser: Browsers) -> None:
    ada = somebody(CUSTOMER)
    await system.hire(ada)
    at_home = browser()
    shown = await at_home.login(ada)

    skipped = await at_home.skip()
    with_a_code = await at_home.otp("123456")
    with_a_recovery_code = await at_home.otp("AAAA-BBBB-CCCC-DDDD", "recovery_code")

    assert shown.body["enrollment"]["skippable_until"] is None
    assert skipped.said == (409, "enrollment_required")
    assert with_a_code.said == with_a_recovery_code.said == (409, "wrong_state")
    assert (await at_home.session()).said == (401, "no_session")


async def test_a_recovery_code_stands_in_for_the_app_once(browser: Browsers, enrolled: Enrolling) -> None:
    ada = await enrolled(somebody())
    first, second = browser(), browser()

    await first.login(ada.person)
    as_typed_by_hand = ada.recovery_codes[3].lower().replace("-", " ")
    used = await first.otp(as_typed_by_hand, "recovery_code")
    await second.login(ada.person)
    used_again = await second.otp(ada.recovery_codes[3], "recovery_code")
    another = await second.otp(ada.recovery_codes[4], "recovery_code")

    assert used.said == (200, "authenticated")
    assert used.body["session"]["amr"] == ["pwd", "otp"]
    assert used_again.said == (401, "invalid_code")
    assert another.said == (200, "authenticated")


async def test_a_login_that_is_cancelled_is_over_everywhere(system: System, browser: Browsers) -> None:
    ada = somebody()
    await system.hire(ada)
    at_home = browser()
    shown = await at_home.login(ada)
    in_a_second_tab = at_home.other_tab()

    cancelled = await at_home.cancel()

    assert cancelled.status == 204
    code = App(shown.body["enrollment"]["otpauth_uri"]).next_code()
    assert (await in_a_second_tab.reload()).said == (404, "no_login")
    assert (await in_a_second_tab.confirm(code)).said == (404, "no_login")


async def test_a_logout_ends_the_session_for_every_gateway_and_every_copy_of_its_cookie(enrolled: Enrolling) -> None:
    ada = await enrolled(somebody())
    copy = ada.browser.other_tab()
    before = await copy.session()

    ended = await ada.browser.logout()

    assert before.status == 200
    assert ended.status == 204
    assert [(await copy.session()).said for _ in range(2)] == [(401, "no_session")] * 2


async def test_a_flow_is_no_session_and_a_session_is_no_flow(
    system: System, browser: Browsers, enrolled: Enrolling
) -> None:
    ada = await enrolled(somebody())
    bob = somebody()
    await system.hire(bob)
    halfway = browser()
    await halfway.login(bob)

    assert (await halfway.session()).said == (401, "no_session")
    assert (await ada.browser.reload()).said == (404, "no_login")
