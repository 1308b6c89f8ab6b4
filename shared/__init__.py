"""What services have in common; imports no service."""

VERSION = "0.1.0"
