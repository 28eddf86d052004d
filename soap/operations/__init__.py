"""The operations: each translates, asks the desk, and translates back."""
