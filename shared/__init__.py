"""What services have in common; imports no service."""
