"""The mail door: an address carries the recipient, a body the text."""
