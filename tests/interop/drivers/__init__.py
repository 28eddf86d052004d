"""Programs that drive SOAP clients of other worlds: an order of calls on stdin, what the client made of it on stdout."""
