"""One message out of the queue of all events: what it is about, by whom it is, the event in it, how it goes on."""

from typing import Any, cast

from aiormq.abc import DeliveredMessage

from shared.contracts.catalogue import EVENTS
from shared.contracts.message import Event
from shared.contracts.vocabulary import OPERATOR, Service
from shared.runtime import parking, topology
from shared.runtime.messaging import Letter
from shared.runtime.origin import BrokerUsers, publisher


class Unreadable(ValueError):  # noqa: N818 - says what is the matter
    """No event that is known here."""


class Forged(ValueError):  # noqa: N818 - says what is the matter
    """An event by somebody who may not tell it."""


class Arrival:
    """A message that has arrived at the one who reads everything."""

    def __init__(self, delivered: DeliveredMessage, reader: Service, users: BrokerUsers) -> None:
        properties = delivered.header.properties
        self.tag = cast("int", delivered.delivery_tag)
        self.headers = cast("dict[str, Any]", properties.headers or {})
        self._properties = properties
        self._body = delivered.body
        self._users = users
        self.topic = delivered.routing_key or ""
        """What it is about."""
        self.publisher = properties.user_id
        """Who published it first."""
        if delivered.exchange != topology.EVENTS and (users is BrokerUsers.SHARED or self.publisher == OPERATOR):
            # It was parked, and the operator gives it back. Nobody else's word is taken for what it is and by whom: who
            # tells an event could else say in a header that it is another one, which he may not tell.
            match self.headers:
                case {parking.TOPIC: str(topic)} | {"x-death": [{"routing-keys": [str(topic), *_]}, *_]}:
                    self.topic = topic
            self.publisher = publisher(self.publisher, self.headers, reader)

    @property
    def label(self) -> str:
        """The topic for counting: not one that anybody made up, of which there is no end."""
        return self.topic if self.topic in EVENTS else "unknown"

    def event(self) -> Event:
        """The event in it. Raises `Forged`, and `ValueError` for what is none or of a kind that is not known here."""
        kind = EVENTS.get(self.topic)
        if kind is None:
            raise Unreadable
        if not self._users.trust(kind, self.topic, self.publisher):
            raise Forged(f"published by {self.publisher} as {kind.topic}")
        event = kind.read(self._body)
        if "id" not in event.model_fields_set:  # it would be given another one each time that it comes
            raise Unreadable
        return event

    def letter(self) -> Letter:
        """The same message, to be parked."""
        return Letter(
            exchange=topology.EVENTS,
            routing_key=self.topic,
            body=self._body,
            correlation_id=self._properties.correlation_id or "",
            reply_to=self._properties.reply_to or None,
            headers=parking.vouched(self.headers, self.publisher) | {parking.TOPIC: self.topic},
        )
