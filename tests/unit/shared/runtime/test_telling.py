import asyncio

from shared.contracts.auth import LoginFailed
from shared.contracts.vocabulary import FlowId, LoginFailure
from shared.runtime.messaging import Letter, Unreachable
from shared.runtime.telling import Teller
from tests.examples import FLOW, NOON
from tests.fakes import FakeMessenger

EVENT = LoginFailed(occurred_at=NOON, flow_id=FlowId("a flow"), reason=LoginFailure.UNKNOWN_USER)


class SlowMessenger(FakeMessenger):
    """Takes a letter only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self.let = asyncio.Event()

    async def send(self, letter: Letter) -> None:
        self.reached.set()
        await self.let.wait()
        await super().send(letter)


class LostAtFirst(FakeMessenger):
    """A broker that comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = 0

    async def send(self, letter: Letter) -> None:
        self.tries += 1
        if self.tries == 1:
            raise Unreachable("away")
        await super().send(letter)


async def test_an_event_is_told_in_its_conversation() -> None:
    messenger = FakeMessenger()
    teller = Teller(messenger)

    teller.tell(EVENT, FLOW)
    await teller.close()

    [letter] = messenger.letters
    assert (letter.routing_key, letter.correlation_id) == (EVENT.topic, FLOW)
    assert letter.headers == {"x-message-id": str(EVENT.id)}


async def test_who_tells_does_not_wait_for_the_broker() -> None:
    messenger = SlowMessenger()
    teller = Teller(messenger)

    teller.tell(EVENT, FLOW)

    await messenger.reached.wait()
    assert messenger.letters == []
    messenger.let.set()
    await teller.close()
    assert messenger.topics == [EVENT.topic]


async def test_what_the_broker_did_not_take_is_told_again_under_the_same_id() -> None:
    messenger = LostAtFirst()
    teller = Teller(messenger, pause=0.01)

    teller.tell(EVENT, FLOW)
    await teller.close()

    assert messenger.tries == 2
    assert [letter.headers["x-message-id"] for letter in messenger.letters] == [str(EVENT.id)]


async def test_a_broker_that_stays_away_holds_up_no_shutdown() -> None:
    messenger = FakeMessenger()
    messenger.is_away = True
    teller = Teller(messenger, pause=0.01)

    teller.tell(EVENT, FLOW)
    await teller.close(within=0.05)

    assert messenger.letters == []
