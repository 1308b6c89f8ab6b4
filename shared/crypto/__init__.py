"""What the RFCs say: one-time passwords, sealing, encryption at rest and password hashes, without any I/O."""
