"""Our TCP/IP: one `Stack` is one host. Sans I/O: frames, time and calls go in, frames and wake-ups come out."""
