"""What travels between the services: messages, their vocabulary, their topics. Imports pydantic and nothing else."""
