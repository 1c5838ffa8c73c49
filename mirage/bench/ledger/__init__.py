"""The edge's ledger, held against a counting proxy and against the packets on the wire."""
