"""Calls, streams and web servers: unmodified programs on our stack beside themselves on the kernel."""
