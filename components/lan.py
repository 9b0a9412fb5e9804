"""A whole network in one process: `Lan`, a switch that gives out addresses, and `Host`, a stack with a port on it.

Knows which address is whose, and how faults and captures go around a port; everything else is the runtime's, the
switch's and the stacks'. Addresses, MACs and dice follow from the seed and the order in which hosts are made.
"""
