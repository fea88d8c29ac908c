"""RFC logic without I/O: bytes and records in, values out."""
