"""A network for trying out, with phones in a file: ``kind = "sandbox"``."""
