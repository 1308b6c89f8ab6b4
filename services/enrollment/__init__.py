"""Enrollment: binds authenticators to users and judges their codes."""
