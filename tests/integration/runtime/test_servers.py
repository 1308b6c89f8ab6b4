"""The servers that the tests stand on are real and empty."""

from shared.runtime.mongo import Database, Mongo
from shared.runtime.topology import PARKED
from tests.broker import Broker


async def test_a_database_of_the_test_is_empty_and_keeps_what_is_written(mongo_database: Database) -> None:
    things = mongo_database["things"]
    before = await things.find_one({})

    await things.insert_one({"_id": "a thing"})

    assert before is None
    assert await things.find_one({}) == {"_id": "a thing"}


async def test_writes_of_a_transaction_that_fails_are_all_undone(mongo: Mongo, mongo_database: Database) -> None:
    things = mongo_database["things"]
    await things.insert_one({"_id": "before"})

    try:
        async with mongo.transaction() as session:
            await things.insert_one({"_id": "inside"}, session=session)
            await things.insert_one({"_id": "before"}, session=session)
    except Exception as failure:  # noqa: BLE001 - whatever the driver raises
        failed = type(failure).__name__

    assert failed == "DuplicateKeyError"
    assert await things.find_one({"_id": "inside"}) is None


async def test_the_broker_keeps_what_no_service_has_taken(broker: Broker) -> None:
    await broker.put(PARKED, "somewhere", b"left over")

    found = await broker.take(PARKED)

    assert [message.body for message in found] == [b"left over"]
    assert await broker.count(PARKED) == 0
