"""The HTTP side that all share: health, metrics, the console, and the routes that other doors add."""
