"""The rules of policy, as pure functions on frozen states."""
