"""SMPP 3.4 to an operator's or aggregator's message centre.

The wire is read and written here: of the two libraries that are kept, one (smpplib 2.2.4) gives up on optional
parameters that it does not expect in a PDU, the other (aiosmpplib 0.7.4) on vendors' status codes, on 16-bit
references of long texts, and on ids that are not ASCII; and both want to own the connection and its retries. The first
is the oracle of the tests for what is written.
"""
