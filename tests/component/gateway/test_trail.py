"""What the gateway tells for the audit trail: sessions that begin and end, logins that are given up; nothing else."""

from typing import Any

import httpx
import pytest

from shared.contracts.enrollment import VerifyOtp
from shared.contracts.gateway import LoginCancelled, SessionEnded, SessionEnding, SessionStarted
from tests.component.gateway.conftest import Login, World, client
from tests.examples import ADA


def kinds(world: World) -> list[type[Any]]:
    return [type(event) for event in world.told]


async def test_a_session_is_told_of_when_it_begins_and_nothing_in_what_is_told_opens_it(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)

    [told] = world.told
    assert isinstance(told, SessionStarted)
    [session] = world.sessions.kept.values()
    assert (told.session_id, told.flow_id) == (session.session_id, session.flow_id)
    assert (told.tenant_id, told.user_id, told.assurance) == (ADA.tenant_id, ADA.user_id, 1)
    assert told.expires_at == session.expires_at
    said = told.model_dump_json()
    assert session.token_hash not in said
    assert all(token not in said for token in browser.cookies.values())


async def test_a_session_after_a_code_is_told_of_too(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.otp_required)
    assert world.told == []

    world.caller.answers(VerifyOtp, world.granted)
    await browser.post("/api/v1/login/otp", json={"code": "123456"})

    assert kinds(world) == [SessionStarted]


async def test_signing_out_is_told_of_once(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.granted_by_password)
    [session] = world.sessions.kept.values()

    await browser.delete("/api/v1/session")
    await browser.delete("/api/v1/session")

    [_, told] = world.told
    assert isinstance(told, SessionEnded)
    assert (told.session_id, told.reason) == (session.session_id, SessionEnding.SIGNED_OUT)


async def test_a_session_that_a_new_login_replaces_is_told_of(world: World, log_in: Login) -> None:
    await log_in(world.granted_by_password)
    [before] = world.sessions.kept.values()

    await log_in(world.granted_by_password)

    [ended] = [event for event in world.told if isinstance(event, SessionEnded)]
    assert (ended.session_id, ended.reason) == (before.session_id, SessionEnding.REPLACED)
    assert kinds(world).count(SessionStarted) == 2


@pytest.mark.parametrize("replaced", [False, True], ids=["by its user", "for another login in the same browser"])
async def test_a_login_that_is_given_up_is_told_of(
    world: World, log_in: Login, browser: httpx.AsyncClient, *, replaced: bool
) -> None:
    await log_in(world.otp_required)
    [flow] = world.flows.kept

    await (log_in(world.otp_required) if replaced else browser.delete("/api/v1/login"))

    [told] = world.told
    assert isinstance(told, LoginCancelled)
    assert (told.flow_id, told.tenant_id, told.user_id) == (flow, ADA.tenant_id, ADA.user_id)


async def test_a_stranger_brings_nothing_into_the_trail(world: World) -> None:
    async with client(world.app(), "https://portal.example") as stranger:
        await stranger.delete("/api/v1/session")
        await stranger.delete("/api/v1/login")
        await stranger.get("/api/v1/session")

    assert world.told == []
