"""The session over HTTP: how long it lasts, when it must step up, how it ends."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import httpx
import pytest

from services.gateway.hurry import LONGEST
from shared.contracts.auth import UserDisabled, VerifyPassword
from shared.contracts.enrollment import VerifyOtp
from shared.contracts.gateway import LoginCancelled, SessionEnded, SessionEnding
from shared.contracts.policy import EnforcementChanged
from shared.contracts.vocabulary import Mode, TenantId
from tests.component.gateway.conftest import Login, World, client
from tests.component.gateway.test_login import SESSION_COOKIE, problem
from tests.examples import ADA, BOB, Person


async def hear(world: World, after: Mode, revision: int, tenant: TenantId = ADA.tenant_id) -> None:
    reading, *_ = world.handlers().readings
    before = Mode.OPTIONAL if after is Mode.REQUIRED else Mode.REQUIRED
    await reading.handler(
        EnforcementChanged(
            occurred_at=world.clock(), tenant_id=tenant, before=before, after=after, policy_revision=revision
        )
    )


async def test_a_session_says_who_is_signed_in_and_on_what_evidence(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    signed_in = await log_in(world.granted_by_password)

    response = await browser.get("/api/v1/session")

    assert response.status_code == 200
    assert response.json() == signed_in.json()["session"]


async def test_a_stranger_has_no_session(browser: httpx.AsyncClient) -> None:
    assert problem(await browser.get("/api/v1/session")) == (401, "no_session")


async def test_the_token_of_a_login_in_progress_opens_no_session(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.otp_required)
    [token] = browser.cookies.values()

    browser.cookies.set(SESSION_COOKIE, token)

    assert problem(await browser.get("/api/v1/session")) == (401, "no_session")


async def test_a_session_is_over_after_a_day_however_busy(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)

    for _ in range(47):
        world.clock.pass_by(timedelta(minutes=30))
        assert (await browser.get("/api/v1/session")).status_code == 200
    world.clock.pass_by(timedelta(minutes=30))

    assert problem(await browser.get("/api/v1/session")) == (401, "no_session")


async def test_a_session_that_is_not_used_for_an_hour_is_over(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)

    world.clock.pass_by(timedelta(minutes=60))

    assert problem(await browser.get("/api/v1/session")) == (401, "no_session")


async def test_a_session_does_not_outlive_the_grace_period_that_it_rests_on(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    deadline = world.clock() + timedelta(minutes=10)
    await log_in(lambda asked: world.granted_by_password(asked, granted_until=deadline))

    world.clock.pass_by(timedelta(minutes=10))

    assert problem(await browser.get("/api/v1/session")) == (401, "no_session")


async def test_signing_out_ends_the_session_and_the_cookie(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)

    response = await browser.delete("/api/v1/session")

    assert response.status_code == 204
    assert world.sessions.kept == {}
    assert SESSION_COOKIE not in browser.cookies
    assert (await browser.delete("/api/v1/session")).status_code == 204


async def test_a_new_login_gives_a_new_token_and_ends_the_old_session(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)
    before = browser.cookies[SESSION_COOKIE]

    await log_in(world.granted_by_password)

    assert browser.cookies[SESSION_COOKIE] != before
    browser.cookies.set(SESSION_COOKIE, before, domain="portal.example")
    assert len(world.sessions.kept) == 1


async def test_a_second_factor_gives_a_new_token_and_ends_the_old_session(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)
    before = browser.cookies[SESSION_COOKIE]
    await log_in(world.otp_required)
    world.caller.answers(VerifyOtp, world.granted)

    await browser.post("/api/v1/login/otp", json={"code": "123456"})

    assert browser.cookies[SESSION_COOKIE] != before
    [session] = world.sessions.kept.values()
    assert session.assurance == 2


async def test_a_session_by_password_must_step_up_as_soon_as_a_second_factor_is_required(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)

    await hear(world, Mode.REQUIRED, revision=8)

    assert problem(await browser.get("/api/v1/session")) == (401, "step_up_required")


async def test_a_session_with_a_second_factor_stays_when_one_is_required(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted)

    await hear(world, Mode.REQUIRED, revision=8)

    assert (await browser.get("/api/v1/session")).status_code == 200


async def test_the_session_is_good_again_when_the_second_factor_is_required_no_more(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)
    await hear(world, Mode.REQUIRED, revision=8)

    await hear(world, Mode.OPTIONAL, revision=9)

    assert (await browser.get("/api/v1/session")).status_code == 200


@pytest.mark.parametrize(("newer", "status"), [(Mode.OPTIONAL, 200), (Mode.REQUIRED, 401)])
async def test_an_older_change_that_comes_late_undoes_no_newer_one(
    world: World, log_in: Login, browser: httpx.AsyncClient, newer: Mode, status: int
) -> None:
    older = Mode.REQUIRED if newer is Mode.OPTIONAL else Mode.OPTIONAL
    await log_in(world.granted_by_password)
    await hear(world, newer, revision=9)

    await hear(world, older, revision=8)

    assert (await browser.get("/api/v1/session")).status_code == status


async def test_a_session_that_the_new_policy_granted_itself_stays(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await hear(world, Mode.REQUIRED, revision=7)

    await log_in(world.granted_by_password)

    assert (await browser.get("/api/v1/session")).status_code == 200


async def test_a_login_that_the_old_policy_granted_while_it_changed_must_step_up(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await hear(world, Mode.REQUIRED, revision=8)

    await log_in(world.granted_by_password)

    assert problem(await browser.get("/api/v1/session")) == (401, "step_up_required")


async def test_the_enforcement_of_one_tenant_is_no_matter_of_another(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)

    await hear(world, Mode.REQUIRED, revision=8, tenant=BOB.tenant_id)

    assert (await browser.get("/api/v1/session")).status_code == 200


async def test_while_the_database_is_away_nobody_is_said_to_be_signed_in(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)
    world.sessions.is_away = True

    response = await browser.get("/api/v1/session")

    assert problem(response) == (503, "unavailable")
    assert response.headers["retry-after"]


async def test_who_is_sent_to_step_up_can_sign_in_anew(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.granted_by_password)
    await hear(world, Mode.REQUIRED, revision=8)
    world.caller.is_silent_on(VerifyPassword)

    await log_in(lambda asked: world.granted(asked, policy_revision=8))

    assert (await browser.get("/api/v1/session")).json()["assurance"] == 2


async def test_a_user_sees_where_he_is_signed_in_and_ends_what_he_likes(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    async with client(world.app(), "https://portal.example") as elsewhere:
        world.caller.answers(VerifyPassword, world.granted)
        await elsewhere.post("/api/v1/login", json={"username": ADA.username, "password": ADA.password})
        await log_in(world.granted_by_password)

        seen = (await browser.get("/api/v1/sessions")).json()
        [other] = [session for session in seen if not session["current"]]
        ended = await browser.delete(f"/api/v1/sessions/{other['session_id']}")
        again = await browser.delete(f"/api/v1/sessions/{other['session_id']}")

        assert (len(seen), ended.status_code) == (2, 204)
        assert problem(again) == (404, "not_found")
        assert problem(await elsewhere.get("/api/v1/session")) == (401, "no_session")
    assert {type(event) for event in world.told[-1:]} == {SessionEnded}


async def test_nobody_sees_or_ends_the_sessions_of_another(world: World, browser: httpx.AsyncClient) -> None:
    async with client(world.app(), "https://portal.example") as elsewhere:
        world.caller.answers(VerifyPassword, partial(world.granted, person=BOB))
        await elsewhere.post("/api/v1/login", json={"username": BOB.username, "password": BOB.password})
        [his] = world.sessions.kept.values()
        world.caller.answers(VerifyPassword, world.granted)
        await browser.post("/api/v1/login", json={"username": ADA.username, "password": ADA.password})

        ended = await browser.delete(f"/api/v1/sessions/{his.session_id}")

        assert problem(ended) == (404, "not_found")
        assert len((await browser.get("/api/v1/sessions")).json()) == 1
        assert (await elsewhere.get("/api/v1/session")).status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_stranger_sees_and_ends_no_session(browser: httpx.AsyncClient, method: str) -> None:
    path = "/api/v1/sessions" + ("" if method == "GET" else "/00000000-0000-0000-0000-000000000000")

    assert problem(await browser.request(method, path)) == (401, "no_session")


async def nothing() -> None:
    """What happens meanwhile, as a rule."""


async def shut_out(
    world: World,
    person: Person = ADA,
    since: timedelta = timedelta(minutes=1),
    meanwhile: Callable[[], Awaitable[object]] = nothing,
) -> list[float]:
    """Tell the gateway that somebody may sign in no more, for so long; how many seconds it waited with that."""
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)
        await meanwhile()

    *_, reading = world.handlers(pause).readings
    await reading.handler(UserDisabled(occurred_at=world.clock() - since, **dict(person.named)))
    return paused


async def test_the_session_of_a_user_who_is_disabled_is_over(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)

    await shut_out(world)

    assert problem(await browser.get("/api/v1/session")) == (401, "no_session")
    assert [told.reason for told in world.told if isinstance(told, SessionEnded)] == [SessionEnding.DISABLED]


async def test_a_user_who_is_disabled_after_his_password_gets_in_by_no_code(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.otp_required)
    world.caller.answers(VerifyOtp, world.granted)

    await shut_out(world)

    assert problem(await browser.post("/api/v1/login/otp", json={"code": "123456"})) == (404, "no_login")
    assert world.sessions.kept == {}
    assert [type(told) for told in world.told] == [LoginCancelled]


async def test_nobody_elses_session_ends_when_a_user_is_disabled(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)

    await shut_out(world, BOB)

    assert (await browser.get("/api/v1/session")).status_code == 200


async def test_who_gave_his_password_a_moment_before_he_was_disabled_is_waited_for(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    waited = await shut_out(world, since=timedelta(seconds=4), meanwhile=lambda: log_in(world.granted_by_password))

    assert waited == [LONGEST - 4]
    assert problem(await browser.get("/api/v1/session")) == (401, "no_session")


async def test_what_is_open_is_not_waited_with(world: World, log_in: Login) -> None:
    await log_in(world.granted_by_password)
    left: list[int] = []

    async def look() -> None:
        left.append(len(world.sessions.kept))

    await shut_out(world, since=timedelta(), meanwhile=look)

    assert left == [0]


async def test_nobody_is_waited_for_where_the_word_comes_late(world: World) -> None:
    assert await shut_out(world, since=timedelta(hours=1)) == [0]
