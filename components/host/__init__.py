"""What is asked of this machine's kernel from outside the stack: devices, addresses (Linux, pyroute2)."""
