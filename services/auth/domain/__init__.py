"""What auth decides, without a broker, a database or a clock."""
