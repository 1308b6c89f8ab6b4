"""The gateway: HTTP in, messages out. It keeps logins in progress and sessions, and enforces what policy decides."""
