"""The stdlib's servers and clients as they stand, on two hosts of one process, in virtual time.

The servers take one connection after the other by their own methods: what `serve_forever` polls is a real clock's.
"""

import ftplib
import http.client
import http.server
import io
import poplib
import smtplib
import socketserver
import urllib.error
import urllib.request
from functools import partial

import pytest

import netif
from netif import Lan


def serve(make_server, connections: int = 1) -> None:
    """What `serve_forever` does with each connection."""
    with make_server() as server:
        for _ in range(connections):
            request, address = server.get_request()
            try:
                server.process_request(request, address)
            except Exception:
                server.shutdown_request(request)
                raise


def converse(greeting: str, answers: dict[str, str], port: int, heard: list[str]) -> None:
    """A server of the kind whose every line is answered by its first word."""

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(f"{greeting}\r\n".encode())
            for line in self.rfile:
                heard.append(line.decode().rstrip("\r\n"))
                answer = answers.get(heard[-1].partition(" ")[0])
                if answer is not None:
                    self.wfile.write(f"{answer}\r\n".encode())

    serve(lambda: socketserver.TCPServer(("", port), Conversation))


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"{self.path} for {self.client_address[0]} from {self.server.server_name}".encode() * 1000
        self.send_response(200 if self.path != "/none" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))[::-1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        pass


def pages(connections: int):
    return partial(serve, partial(http.server.HTTPServer, ("", 80), Pages), connections)


def test_urllib_fetches_from_http_server(scene):
    def fetch():
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open("http://server/page", timeout=30) as answer:
            assert answer.status == 200
            page = answer.read()
        with pytest.raises(urllib.error.HTTPError, match="404") as none:
            opener.open("http://server/none")
        none.value.close()
        return page

    assert scene.run(fetch, pages(2)) == f"/page for {scene.client.ip} from server".encode() * 1000


def test_a_connection_of_http_client_is_kept_and_bears_bodies_both_ways(scene):
    def converse():
        connection = http.client.HTTPConnection("server", timeout=30)
        got = []
        for body in (b"abc", b"\0" * 300_000 + b"1"):
            connection.request("POST", "/", body)
            got.append(connection.getresponse().read())
        connection.close()
        return got

    assert scene.run(converse, pages(1)) == [b"cba", b"1" + b"\0" * 300_000]


def test_a_client_finds_nobody_listening_and_nobody_there(scene):
    def fetch():
        for where in ("server", "10.0.0.77", "192.0.2.1"):
            with pytest.raises(OSError) as failure:
                http.client.HTTPConnection(where, timeout=5).connect()
            yield type(failure.value).__name__
        with pytest.raises(OSError, match="nowhere"):
            http.client.HTTPConnection("nowhere").connect()

    refused, absent, unreachable = scene.run(lambda: list(fetch()))
    assert refused == "ConnectionRefusedError"
    assert absent in ("OSError", "TimeoutError")
    assert unreachable == "OSError"  # ENETUNREACH: it does not pass to the kernel


def test_socketserver_echoes_datagrams(scene):
    class Echo(socketserver.DatagramRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read()[::-1])

    def ask():
        import socket

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(10)
            asking.connect(("server", 7))
            asking.send(b"hello")
            return asking.recv(100)

    assert scene.run(ask, partial(serve, lambda: socketserver.UDPServer(("", 7), Echo))) == b"olleh"


def test_smtplib_sends_mail_and_says_who_it_is(scene):
    heard: list[str] = []
    answers = dict.fromkeys(["ehlo", "mail", "rcpt", "."], "250 OK") | {"data": "354 go on", "quit": "221 bye"}

    def send() -> None:
        with smtplib.SMTP("server", 25, timeout=30) as mail:
            assert mail.sendmail("a@client", ["b@server"], "Subject: tea\r\n\r\n.\r\n") == {}

    scene.run(send, partial(converse, "220 server", answers, 25, heard))
    assert heard[0] == f"ehlo [{scene.client.ip}]"
    assert [line.lower() for line in heard[1:4]] == ["mail from:<a@client>", "rcpt to:<b@server>", "data"]
    assert ".." in heard


def test_poplib_fetches_mail(scene):
    answers = {"USER": "+OK", "PASS": "+OK", "STAT": "+OK 1 9", "RETR": "+OK\r\nFrom: b\r\n\r\ntea\r\n.", "QUIT": "+OK"}

    def fetch():
        mail = poplib.POP3("server", timeout=30)
        mail.user("a")
        mail.pass_("secret")
        assert mail.stat() == (1, 9)
        lines = mail.retr(1)[1]
        mail.quit()
        return lines

    assert scene.run(fetch, partial(converse, "+OK", answers, 110, [])) == [b"From: b", b"", b"tea"]


def test_ftplib_opens_the_way_for_the_data_of_the_other(scene):
    """Active mode: the server connects back to where the client has said that it listens."""
    import socket

    class Files(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 server\r\n")
            for line in self.rfile:
                word, _, rest = line.decode().strip().partition(" ")
                if word == "PORT":
                    *address, high, low = rest.split(",")
                    self.data = socket.create_connection((".".join(address), int(high) * 256 + int(low)))
                elif word == "RETR":
                    self.wfile.write(b"150 coming\r\n")
                    with self.data:
                        self.data.sendall(rest.encode() * 50_000)
                self.wfile.write({"USER": b"331 ?\r\n", "QUIT": b"221 bye\r\n"}.get(word, b"230 OK\r\n"))

    def fetch():
        into = io.BytesIO()
        with ftplib.FTP("server", "a", "secret", timeout=30) as files:
            files.set_pasv(False)
            files.retrbinary("RETR tea", into.write)
        return into.getvalue()

    got = scene.run(fetch, partial(serve, lambda: socketserver.TCPServer(("", 21), Files)))
    assert got == b"tea" * 50_000


def test_programs_of_one_process_are_hosts_of_a_lossy_network():
    with Lan(seed=3) as lan:
        server = lan.host("server", loss="20%")
        server.spawn(netif.use(server)(pages(3)))

        @netif.use(lan.host("client", loss="20%", delay="30ms"))
        def fetch():
            for n in range(3):
                connection = http.client.HTTPConnection("server", timeout=600)
                connection.request("GET", f"/{n}")
                assert connection.getresponse().read().startswith(f"/{n} ".encode())
                connection.close()

        done = lan.hosts["client"].spawn(fetch)
        lan.run_until(done.done)
        done.result()
