"""The SOAP door: the package for everything that speaks SOAP to callers, and for the same calls without an envelope."""

from soap import spyne_compat  # noqa: F401 - before any spyne
