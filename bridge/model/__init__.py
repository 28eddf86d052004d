"""Values and rules. Pure: no I/O, no clock read, no database."""
