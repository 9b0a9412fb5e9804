"""TCP: RFC 9293 and what has been added to it, one module for each thing that has to be known.

`layer` finds the connection, `arrival` says what a segment does to it, `output` what it sends and when it acts next.
`sender`, `receiver`, `recovery`, `congestion` and `rtt` hold no pointer to the connection.
"""
