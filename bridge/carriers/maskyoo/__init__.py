"""Maskyoo's SMS gateway: ``kind = "maskyoo"``."""
