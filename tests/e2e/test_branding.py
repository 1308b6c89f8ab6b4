"""What a directory says of an account's look reaches the pages of every gateway."""

import httpx

from shared.contracts.branding import Branding
from shared.contracts.vocabulary import TenantId, TenantKind
from tests.e2e.conftest import Browsers
from tests.examples import LOGO, OPTIONAL, somebody, tenant
from tests.system import System


async def test_pages_are_in_the_accounts_name_and_in_the_colours_of_the_one_above(
    system: System, browser: Browsers
) -> None:
    vendor, customer = TenantId("branded-vendor"), TenantId("branded-customer")
    above = tenant(vendor, TenantKind.VENDOR, customers=OPTIONAL)
    look = Branding(accent="1f6f5c", logo=LOGO)
    below = tenant(customer, parent=vendor).model_copy(update={"name": "Chocolaterie de l'Étoile"})
    await system.load([above.model_copy(update={"branding": look}), below])
    await system.settled()
    dora = somebody(customer)
    await system.hire(dora)
    at_home = browser()

    signed_in = await at_home.login(dora)
    async with httpx.AsyncClient(cookies=at_home.cookies, headers={"accept": "text/html"}) as client:
        pages = [await client.get(f"{gateway}/") for gateway in system.gateways]

    assert signed_in.said == (200, "authenticated")
    for page in pages:
        assert page.text.count("Chocolaterie de l&#39;Étoile") == 3  # the title, the header, the organisation
        assert '<link rel="stylesheet" href="/pages/accent/1f6f5c.css">' in page.text
        assert f'<img class="brand-logo" src="{LOGO}" alt="">' in page.text
