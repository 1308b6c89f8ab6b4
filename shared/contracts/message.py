"""What every message is: a frozen fact or request with an id, a topic and a place in the conversation."""

from typing import ClassVar, NewType, Self
from uuid import UUID, uuid4, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.vocabulary import FlowId, Service, TenantId, UserId

MessageId = NewType("MessageId", UUID)


def _new_id() -> MessageId:
    return MessageId(uuid4())


class Message(BaseModel):
    """What travels. Readers are tolerant: a field that they do not know is passed over, so that senders can grow."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True)

    topic: ClassVar[str] = ""
    """The routing key: what is asked or what happened, and the version of its form."""
    by: ClassVar[frozenset[str]] = frozenset()
    """Who may publish it: services, or the operator. The broker holds them to it, and so does every reader."""

    largest: ClassVar[int] = 4 * 1024 * 1024
    """Bytes that a reader takes of one: what MongoDB can be trusted to take as a document, whose limit is 16 MiB."""

    id: MessageId = Field(default_factory=_new_id)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """The message in these bytes. Raises `ValueError` for what is none of this kind."""
        if len(body) > cls.largest:
            raise ValueError("too large")
        return cls.model_validate_json(body)

    @classmethod
    def outlasts_its_deadline(cls, *, is_begun: bool) -> bool:
        """Whether it is seen to however late it is; what was begun is finished (docs/decisions/0022)."""
        return is_begun


class Command(Message):
    """Asks one service to do something; the gateway does, for whoever is at it, where nothing else is said."""

    to: ClassVar[Service]
    by = frozenset({Service.GATEWAY})
    sets: ClassVar[bool] = False
    """Whether it says how something is to be, whatever it is by then. Too late it is not done, even if it was begun:
    whoever had no answer may have said otherwise since."""

    @classmethod
    def outlasts_its_deadline(cls, *, is_begun: bool) -> bool:
        """Whether it was begun, unless it sets something."""
        return is_begun and not cls.sets


class Event(Message):
    """Tells a fact to whoever listens."""

    answer: ClassVar[bool] = False
    """Whether a waiting caller is told too, through the reply queue that travels with the conversation."""
    kept: ClassVar[bool] = False
    """Whether it must be heard: written with the state it tells of (outbox), and never dropped for being late."""
    recorded: ClassVar[bool] = True
    """Whether it belongs in the audit trail: everything does that says something of a user, an account or a login."""

    occurred_at: AwareDatetime

    @classmethod
    def outlasts_its_deadline(cls, *, is_begun: bool) -> bool:
        """Whether it was begun, or must be heard."""
        return is_begun or cls.kept

    @property
    def subject(self) -> str:
        """What the event is about: it tells apart the events that one cause brings about."""
        return ""

    def caused_by(self, cause: MessageId) -> Self:
        """The same event, with the id that its cause gives it: a redelivered cause tells the same event again."""
        return self.model_copy(update={"id": uuid5(cause, f"{self.topic}/{self.subject}")})


class InFlow(BaseModel):
    """A message of one conversation, whoever the user turns out to be."""

    flow_id: FlowId


class OfUser(BaseModel):
    """A message about one user of one tenant."""

    tenant_id: TenantId
    user_id: UserId
