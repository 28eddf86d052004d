"""Whether a mail is from whom it says: the author in From, and what proves it (RFC 6376, 7208, 7489, 8601, 8617)."""
