"""The rules of the audit trail: what is written of an event, how records hang together, what does not fit."""
