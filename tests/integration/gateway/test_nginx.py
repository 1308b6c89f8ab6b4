"""The example for nginx, run by a real nginx before an application that knows nothing of the gate."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from starlette.applications import Starlette

from ops.ports import LOOPBACK, free_port
from services.gateway.pages.destinations import Destinations
from shared.contracts.auth import VerifyPassword
from shared.contracts.enrollment import VerifyOtp
from tests.component.gateway.conftest import World
from tests.examples import ADA
from tests.keys import Keys

EXAMPLE = Path(__file__).parents[3] / "examples" / "nginx" / "wardgate.conf"
AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
{example}
}}
"""


def application() -> FastAPI:
    """Says what it was asked, and by whom it thinks."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def echo(request: Request) -> dict[str, object]:
        remote = {name: value for name, value in request.headers.items() if name.startswith("remote-")}
        return {"path": request.url.path, "query": request.url.query, "remote": remote}

    return app


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[int]:
    """An application behind a port of this machine."""
    with socket.socket() as listening:
        listening.bind((LOOPBACK, 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        task = asyncio.create_task(server.serve([listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def nginx(folder: Path, port: int, gateway: int, behind: int) -> AsyncIterator[None]:
    """A real nginx with the example, at these ports instead of those written in it."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert program is not None, "nginx is not installed. On Debian: apt-get install nginx-light"
    example = EXAMPLE.read_text()
    for written, here in (
        ("listen 80;", f"listen {LOOPBACK}:{port};"),
        ("127.0.0.1:8080", f"{LOOPBACK}:{gateway}"),
        ("127.0.0.1:3000", f"{LOOPBACK}:{behind}"),
    ):
        assert example.count(written) == 1
        example = example.replace(written, here)
    configuration = folder / "nginx.conf"
    configuration.write_text(AROUND.format(folder=folder, example=example))
    process = await asyncio.create_subprocess_exec(
        program, "-p", str(folder), "-c", str(configuration), "-e", "stderr", stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        said = b""
        while b"start worker processes" not in said:
            line = await process.stderr.readline()
            assert line, f"nginx ended: {said.decode()}"
            said += line
        reading = asyncio.create_task(process.stderr.read())
        yield
    finally:
        process.terminate()
        await reading
        await process.wait()


@pytest.fixture
async def at_the_application(keys: Keys, tmp_path: Path) -> AsyncIterator[tuple[World, httpx.AsyncClient]]:
    """A browser at the application, with the gate before it."""
    world, port = World(keys), free_port()
    host = f"http://{LOOPBACK}:{port}"
    gateway = world.app(cookie_secure=False, destinations=Destinations((host,)))
    async with (
        served(gateway) as gate,
        served(application()) as behind,
        nginx(tmp_path, port, gate, behind),
        httpx.AsyncClient(base_url=host, headers={"accept": "text/html"}) as browser,
    ):
        yield world, browser


async def test_the_gate_stands_before_an_application_and_lets_people_through(
    at_the_application: tuple[World, httpx.AsyncClient],
) -> None:
    world, browser = at_the_application
    world.caller.answers(VerifyPassword, world.otp_required)
    world.caller.answers(VerifyOtp, world.granted)
    same_site = {"origin": str(browser.base_url), "sec-fetch-site": "same-origin"}
    orders = str(browser.base_url.join("/orders?page=2&all=1"))

    stopped = await browser.get(orders)
    assert stopped.status_code == 302
    login = urlsplit(stopped.headers["location"])
    assert (login.path, parse_qs(login.query)) == ("/login", {"return_to": [orders]})

    page = await browser.get(stopped.headers["location"])
    assert "Sign in" in page.text
    for file in page.text.split('"'):
        if file.startswith(("/static/", "/pages/accent/")):
            assert (await browser.get(file)).status_code == 200
    password = {"username": ADA.username, "password": ADA.password}
    await browser.post("/login", data=password, headers=same_site)
    still_stopped = await browser.get(orders)
    assert still_stopped.status_code == 302
    entered = await browser.post("/login/code", data={"code": "123456"}, headers=same_site)
    assert entered.headers["location"] == orders

    through = (await browser.get(orders)).json()
    assert (through["path"], through["query"]) == ("/orders", "page=2&all=1")
    assert through["remote"]["remote-user"] == ADA.username
    assert through["remote"]["remote-tenant"] == ADA.tenant_id
    assert through["remote"]["remote-amr"] == "pwd,otp"

    await browser.post("/logout", data={"": ""}, headers=same_site)
    assert (await browser.get(orders)).status_code == 302


async def test_nobody_gets_past_the_gate_by_what_he_sends(at_the_application: tuple[World, httpx.AsyncClient]) -> None:
    world, browser = at_the_application
    forged = {"remote-user": "vendor", "x-original-url": "http://evil.example/", "remote-amr": "pwd,otp"}

    for response in (
        await browser.get("/orders", headers=forged),
        await browser.post("/orders", content=b"x" * 100_000, headers=forged),
        await browser.get("/wardgate"),
        await browser.get("/static/../orders"),
        await browser.get("/loginx"),
    ):
        assert response.status_code in {302, 404}
        assert "remote" not in response.text

    world.caller.answers(VerifyPassword, world.granted_by_password)
    await browser.post("/login", data={"username": ADA.username, "password": ADA.password})
    through = (await browser.get("/orders", headers=forged)).json()
    assert (through["remote"]["remote-user"], through["remote"]["remote-amr"]) == (ADA.username, "pwd")
