"""The AsyncAPI 3.0 document of one service: what it receives from the broker and what it sends."""

import importlib
import inspect
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from ops.traffic import Traffic, received, told_by, traffic
from shared.contracts.catalogue import EVENTS
from shared.contracts.message import Command, Event, Message
from shared.contracts.vocabulary import Service
from shared.runtime import topology
from shared.runtime.version import VERSION

Document = dict[str, Any]

REPLIES = "replies"
_BINDING_VERSION = "0.3.0"


def document(service: Service) -> Document:
    """Everything that somebody needs to know who wants to talk with this service."""
    found, told = traffic(service), told_by(service)
    sent = (*found.asks, *told)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"Wardgate: {service}",
            "version": VERSION,
            "description": importlib.import_module(f"services.{service}").__doc__,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": _channels(service, found, sent),
        "operations": _operations(service, found, sent),
        "components": _components(dict.fromkeys((*received(service), *sent, *found.answers))),
    }


def _channels(service: Service, found: Traffic, sent: Sequence[type[Message]]) -> Document:
    channels = {_queue(service, kind): _queue_channel(service, kind) for kind in found.reads}
    if found.hears_everything:
        channels |= _channel_of_everything(service)
    channels |= {kind.topic: _exchange_channel(kind) for kind in sent}
    if found.answers:
        channels[REPLIES] = {
            "address": None,
            "description": "The reply queue of one process, under a fresh name. Answers reach it by the `CC` header.",
            "messages": {kind.__name__: _ref("messages", kind) for kind in found.answers},
        }
    return channels


def _queue(service: Service, kind: type[Message]) -> str:
    return topology.work_queue(service, kind).name


def _queue_channel(service: Service, kind: type[Message]) -> Document:
    return _channel_of(_queue(service, kind), kind.topic, (kind,))


def _channel_of_everything(service: Service) -> Document:
    name, _ = topology.everything_queue(service)
    return {name: _channel_of(name, "#", tuple(EVENTS.values()))}


def _channel_of(name: str, address: str, kinds: Sequence[type[Message]]) -> Document:
    queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False}
    return {
        "address": address,
        "title": f"Queue {name}",
        "messages": {kind.__name__: _ref("messages", kind) for kind in kinds},
        "bindings": {"amqp": {"is": "queue", "queue": queue, "bindingVersion": _BINDING_VERSION}},
    }


def _exchange_channel(kind: type[Message]) -> Document:
    exchange = topology.stream_exchange(kind)
    described = {"name": exchange.name, "type": exchange.type.value, "durable": True, "autoDelete": False}
    return {
        "address": kind.topic,
        "title": f"Exchange {exchange.name}",
        "messages": {kind.__name__: _ref("messages", kind)},
        "bindings": {"amqp": {"is": "routingKey", "exchange": described, "bindingVersion": _BINDING_VERSION}},
    }


def _operations(service: Service, found: Traffic, sent: Sequence[type[Message]]) -> Document:
    receiving = {f"receive{kind.__name__}": _operation("receive", _queue(service, kind), kind) for kind in found.reads}
    if found.hears_everything:
        name, _ = topology.everything_queue(service)
        receiving["receiveEverything"] = {
            "action": "receive",
            "summary": "Every event there is, whatever it tells.",
            "channel": {"$ref": f"#/channels/{name}"},
        }
    sending = {f"send{kind.__name__}": _operation("send", kind.topic, kind) for kind in sent}
    for kind in found.asks:
        sending[f"send{kind.__name__}"]["reply"] = {
            "address": {"location": "$message.header#/reply_to"},
            "channel": {"$ref": f"#/channels/{REPLIES}"},
        }
    return receiving | sending


def _operation(action: str, channel: str, kind: type[Message]) -> Document:
    return {
        "action": action,
        "summary": inspect.getdoc(kind),
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{kind.__name__}"}],
    }


def _components(kinds: dict[type[Message], None]) -> Document:
    inputs = [(kind, "validation") for kind in kinds]
    _, schemas = models_json_schema(inputs, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type] # a list of pairs is one
    return {
        "messages": {kind.__name__: _message(kind) for kind in kinds},
        "messageTraits": {"envelope": ENVELOPE},
        "schemas": schemas["$defs"],
    }


def _message(kind: type[Message]) -> Document:
    return {
        "name": kind.topic,
        "title": kind.__name__,
        "summary": inspect.getdoc(kind),
        "tags": [{"name": tag} for tag in _tags(kind)],
        "traits": [{"$ref": "#/components/messageTraits/envelope"}],
        "payload": _ref("schemas", kind),
    }


def _tags(kind: type[Message]) -> list[str]:
    if issubclass(kind, Command):
        return ["command"]
    if issubclass(kind, Event):
        return ["event", *(["answer"] if kind.answer else []), *(["kept"] if kind.kept else [])]
    raise TypeError(kind)


def _ref(component: str, kind: type[Message]) -> Document:
    return {"$ref": f"#/components/{component}/{kind.__name__}"}


ENVELOPE: Document = {
    "correlationId": {
        "description": "The AMQP property `correlation_id`: the login flow's id, the same over every hop.",
        "location": "$message.header#/correlation_id",
    },
    "headers": {
        "type": "object",
        "properties": {
            "x-message-id": {"type": "string", "format": "uuid", "description": "The id in the body, once more."},
            "x-deadline": {"type": "integer", "description": "Milliseconds since 1970, after which nobody waits."},
            "x-begin-by": {
                "type": "integer",
                "description": "Of a command: milliseconds since 1970, after which its answer would come too late.",
            },
            "x-attempt": {"type": "string", "description": "Which question of the caller is being answered."},
            "traceparent": {"type": "string", "description": "W3C Trace Context, where the request is traced."},
            "CC": {
                "type": "array",
                "items": {"type": "string"},
                "description": "The caller's reply queue, on answers.",
            },
        },
        "required": ["x-message-id"],
    },
}
