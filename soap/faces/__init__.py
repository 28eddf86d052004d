"""The service without our envelope: for programs that were written for another one, and change the host's name."""
