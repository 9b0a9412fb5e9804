"""The ways between a Lan and this machine's kernel, without root: `lan.publish`, `lan.reach`, `lan.internet`.

User-mode NAT: a connection on one side is ended here and made again on the other; bytes pass, packets do not.
"""
