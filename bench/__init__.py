"""Measurements: our own rates, and in the same run the floor they are compared with."""
