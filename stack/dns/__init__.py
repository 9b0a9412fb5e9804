"""The host's questions to the DNS: a stub resolver, sans I/O like the rest.

Imported when the first name is asked for, but for `hosts`: who only connects to addresses does not pay for it.
`resolver` knows names, search and `hosts`; `query` one question and the servers it goes to; `asking` one server, by UDP
or TCP; `findings` what a message says about a question; `cache` what was found before. RFC 1034, 1035, 1123 6.1.
"""
