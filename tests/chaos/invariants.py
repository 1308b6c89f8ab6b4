"""What must be so after every fault, looked at from outside; each broken one is a sentence."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import pymongo

from ops.audit import examine
from services.audit.store import Store
from shared.contracts.vocabulary import Service
from shared.runtime.mongo import Mongo
from shared.runtime.topology import PARKED
from tests.chaos.lab import Lab
from tests.chaos.node import Depth
from tests.chaos.notes import Lost, Notes
from tests.chaos.people import Somebody

_AT_ONCE = 20
"""People who are asked at a time when all is well: no more than are answered at once."""
_SETTLED_WITHIN = 60.0
_LIES_FOR = 30.0
"""Seconds for which something lies in a queue before it is said to: RabbitMQ counts anew every five."""


async def broken(lab: Lab, crowd: Sequence[Somebody], notes: Notes, began: datetime, *, may_be_lost: bool) -> list[str]:
    """All that is not as it must be, after these people have signed in while something was wrong."""
    found = notes.flaws(may_be_lost=may_be_lost)
    try:
        async with asyncio.timeout(_SETTLED_WITHIN):
            await lab.system.settled()
    except TimeoutError:
        found.append("messages are still being read, or wait")
    after = Notes()
    found += await _of_all(crowd, lambda each: _session(each, may_be_lost=may_be_lost))
    found += await _of_all(crowd, lambda each: _next_try(lab, each, after))
    found += [f"once all was well again: {note.asked}: {note.said}" for note in after.all if not note.is_success]
    await lab.system.settled()
    found += await _queues(lab)
    found += await asyncio.to_thread(_outboxes, lab)
    found += await _trail(lab, crowd, began, may_be_lost=may_be_lost)
    return found


async def _of_all(crowd: Sequence[Somebody], look: Callable[[Somebody], Awaitable[list[str]]]) -> list[str]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Somebody) -> list[str]:
        async with turns:
            try:
                return await look(each)
            except Lost as lost:
                return [f"{each.person.username}: no answer, though all was well again ({lost.__cause__})"]

    return [sentence for found in await asyncio.gather(*map(one, crowd)) for sentence in found]


async def _session(each: Somebody, *, may_be_lost: bool) -> list[str]:
    """One session for one success, and none without its factors. Of an answer that was lost there may be one more."""
    who = each.person.username
    here, listed = await each.browser.session(), await each.browser.request("GET", "/sessions")
    if here.status != 200 or listed.status != 200:
        return [f"{who} was signed in and is not: {here}"]
    evidence = [(session["amr"], session["assurance"]) for session in (here.body, *listed.body)]
    found = [f"{who} has a session on {amr}, {assurance}" for amr, assurance in evidence if amr != ["pwd", "otp"]]
    if here.body["user_id"] != each.person.user_id:
        found.append(f"{who} is signed in as somebody else")
    spare = each.lost if may_be_lost else 0
    if not each.sessions <= len(listed.body) <= each.sessions + spare:
        found.append(f"{who} was signed in {each.sessions} times and has {len(listed.body)} sessions")
    return found


async def _next_try(lab: Lab, each: Somebody, notes: Notes) -> list[str]:
    """Whoever has an app, from before or since just now, is asked for its code at his next login, and it is right."""
    assert each.codes is not None
    later = lab.browser(hash(each.person.username), notes)
    asked = await later.login(each.person)
    if asked.said != (200, "otp_required"):
        return [f"{each.person.username} has set up an app and is not asked for a code: {asked}"]
    verified = await later.otp(await each.codes.next())
    return [] if verified.said == (200, "authenticated") else [f"the app of {each.person.username} is lost: {verified}"]


async def _queues(lab: Lab) -> list[str]:
    """What lies in them once nobody asks any more, and does not go away."""
    until = time.monotonic() + _LIES_FOR
    while True:
        found = _left(await lab.node.queues())
        if not found or time.monotonic() > until:
            return found
        await asyncio.sleep(1)


def _left(queues: Sequence[Depth]) -> list[str]:
    found = []
    for queue in queues:
        if queue.messages_unacknowledged:
            found.append(f"{queue.messages_unacknowledged} messages of {queue.name} are not acknowledged")
        if queue.messages_ready:
            what = "are parked" if queue.name == PARKED else f"lie in {queue.name}, which has {queue.consumers} readers"
            found.append(f"{queue.messages_ready} messages {what}")
    return found


def _outboxes(lab: Lab) -> list[str]:
    untold = {"outbox.kept_at": {"$exists": True}}
    with pymongo.MongoClient[dict[str, object]](lab.servers.mongodb_url) as client:
        ours = [client[name] for name in client.list_database_names() if name.startswith(lab.system.prefix)]
        kept = [database[name] for database in ours for name in database.list_collection_names()]
        left = {collection.full_name: collection.count_documents(untold) for collection in kept}
    return [f"{count} documents of {name} have something untold" for name, count in left.items() if count]


async def _trail(lab: Lab, crowd: Sequence[Somebody], began: datetime, *, may_be_lost: bool) -> list[str]:
    """The chain is whole, and every success is on record once: a grant, its session, an app that was confirmed."""
    mongo = Mongo(lab.servers.mongodb_url)
    try:
        store = Store(mongo.database(f"{lab.system.prefix}{Service.AUDIT}"))
        damages = [damage for chain in await examine(store, []) for damage in chain.damages]
        records = [record async for record in store.since(began)]
    finally:
        await mongo.close()
    found = [f"the audit trail is damaged: {damage.root}: {damage.text}" for damage in damages]
    recorded = Counter((record["user_id"], record["topic"]) for record in records)
    granted = {(record["user_id"], record["flow_id"]) for record in records if record["topic"] == "access.granted.v1"}
    logins = Counter(user for user, _ in granted)
    for each in crowd:
        user, who = each.person.user_id, each.person.username
        successes, most = each.sessions + 1, each.sessions + 1 + (each.lost if may_be_lost else 0)
        # A gateway that dies takes with it what it has not told yet of the session that it made.
        least = 0 if may_be_lost else successes
        if not least <= (started := recorded[user, "session.started.v1"]) <= most:
            found.append(f"{who}: {started} sessions are on record, {successes} there were")
        # A login is granted before its session is made: of each that had to be asked for again there may be one more.
        if not successes <= logins[user] <= successes + each.again:
            found.append(f"{who}: {logins[user]} granted logins are on record, {successes} there were")
        if each.confirmed and not recorded[user, "enrollment.confirmed.v1"]:
            found.append(f"{who}: that his app was confirmed is not on record")
    return found
