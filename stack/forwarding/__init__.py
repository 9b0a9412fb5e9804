"""Sending on what is for others: a host of several links becomes a router (RFC 1812), where its user asks for that."""
