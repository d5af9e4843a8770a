"""An operator's SMSC for demos, tests and benchmarks: SMPP server, charges in a ledger of its own, faults.

It knows nothing of the gateway but SMPP; its ledger shares no code with the gateway's.
"""
