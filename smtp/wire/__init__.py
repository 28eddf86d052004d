"""The wire: connections, and what is said on them, up to the octets of a mail."""
