"""SMPP: the wire, receipts, parts, and a real message centre."""
