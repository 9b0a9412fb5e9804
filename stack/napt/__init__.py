"""One address for many hosts: what comes from inside goes out under that of the interface it leaves by (RFC 3022)."""
