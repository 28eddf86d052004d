"""The octets of a mail, and the text in them."""
