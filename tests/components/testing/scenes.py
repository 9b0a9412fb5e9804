"""Two programs that talk, for the tests of what is done to their talk."""

from __future__ import annotations


def serve_once(server, reply=None, port=7):
    """Accept one client, answer what it says (or `reply`), and close."""

    def serving():
        with server.create_server(("", port)) as listener:
            connection, _ = listener.accept()
            with connection:
                said = connection.recv(65536)
                connection.sendall(reply if reply is not None else said)

    return server.spawn(serving)


def ask(client, words=b"hello", port=7, timeout=None, to="server"):
    """The task of a client that says `words`, and reads to the end."""

    def asking():
        with client.create_connection((to, port), timeout) as connection:
            connection.sendall(words)
            answer = b""
            while data := connection.recv(65536):
                answer += data
            return answer

    return client.spawn(asking)


def talk(lan, words=b"hello", **options):
    """Both, to their end: what the client read."""
    serve_once(lan.hosts["server"], **options)
    asked = ask(lan.hosts["client"], words)
    lan.run_until(asked.done)
    return asked.result()
