"""What is cut off the text of a mail before it is sent: what mail programs, servers and lists put around it."""
