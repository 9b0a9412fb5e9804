"""BLAKE2 (RFC 7693) without what `hashlib` loads beside it: OpenSSL, for which the first ping would wait.

The same functions; `random` takes its own so too.
"""

from __future__ import annotations

try:
    from _blake2 import blake2b as blake2b
    from _blake2 import blake2s as blake2s
except ImportError:  # an interpreter that has them elsewhere
    from hashlib import blake2b as blake2b
    from hashlib import blake2s as blake2s
