"""TLS over our sockets, in virtual time: handshakes, certificates, names, sessions."""

from __future__ import annotations

import datetime
import errno
import socket as kernel
import ssl
from collections.abc import Iterator

import pytest
import trustme

import stack.socket as ours
from components.lan import Lan
from stack.socket.tls import TlsSocket, wrap
from tests.stack.socket.tls_ends import NAME, Authority, both

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.made()


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan(seed=8) as made:
        yield made


@pytest.mark.parametrize("version", VERSIONS)
def test_two_ends_shake_hands_and_speak(lan, authority, version):
    def server(connection):
        with wrap(authority.server(), connection, server_side=True) as tls:
            assert tls.recv(100) == b"hello"
            tls.sendall(b"welcome")
            return tls.version(), tls.cipher(), tls.get_channel_binding()

    def client(connection):
        with wrap(authority.client(version), connection, server_hostname=NAME) as tls:
            tls.sendall(b"hello")
            assert tls.recv(100) == b"welcome"
            assert tls.getpeercert()["subjectAltName"] == (("DNS", NAME),)
            assert (tls.compression(), tls.server_side, tls.server_hostname) == (None, False, NAME)
            assert tls.shared_ciphers() is None
            return tls.version(), tls.cipher(), tls.get_channel_binding()

    one, other = both(lan, server, client)
    assert one == other
    assert one[0] == version.name.replace("_", ".")


def test_it_passes_for_both_kinds_of_socket(lan, authority):
    def server(connection):
        with wrap(authority.server(), connection, server_side=True) as tls:
            assert isinstance(tls, TlsSocket)
            assert isinstance(tls, ours.socket)
            assert isinstance(tls, ssl.SSLSocket)
            assert isinstance(tls, kernel.socket)
            assert tls.getsockname() == (tls.getsockname()[0], 443)
            assert not isinstance(connection, ssl.SSLSocket)
            with pytest.raises(OSError, match="Bad file descriptor"):
                connection.recv(1)  # it was given up
            tls.recv(1)

    both(lan, server, lambda connection: wrap(authority.client(), connection, server_hostname=NAME).close())


def test_connect_and_accept_shake_hands_by_themselves(lan, authority):
    there, here = lan.host("server"), lan.host("client")
    listening = wrap(authority.server(), there.create_server(("", 443)), server_side=True)

    def serve():
        with listening:
            tls, peer = listening.accept()
        with tls:
            assert (tls.getpeername(), tls.version()) == (peer, "TLSv1.3")
            tls.sendall(tls.recv(10))

    def ask():
        with wrap(authority.client(), here.socket(), server_hostname=NAME) as tls:
            assert tls.version() is None
            tls.connect((there.ip, 443))
            tls.sendall(b"over it")
            answer = tls.recv(10)
        with wrap(authority.client(), here.socket(), server_hostname=NAME) as tls:
            return answer, tls.connect_ex((there.ip, 1))

    tasks = there.spawn(serve), here.spawn(ask)
    lan.run_until(lambda: all(task.done() for task in tasks))
    tasks[0].result()
    assert tasks[1].result() == (b"over it", errno.ECONNREFUSED)


# certificates


def trusted_by_nobody() -> trustme.LeafCert:
    return trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert(NAME, key_type=trustme.KeyType.ECDSA)


@pytest.mark.parametrize(
    ("leaf", "code", "alert"),
    [
        (lambda ca: ca.issue_cert("other.test"), 62, "bad certificate"),  # X509_V_ERR_HOSTNAME_MISMATCH
        (lambda ca: ca.issue_cert(NAME, not_after=datetime.datetime(2020, 1, 1)), 10, "certificate expired"),
        (lambda ca: trusted_by_nobody(), 20, "unknown ca"),  # X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    ],
    ids=["another name", "expired", "unknown issuer"],
)
def test_a_certificate_that_does_not_hold_is_refused(lan, authority, leaf, code, alert):  # RFC 8446 6.2
    def server(connection):
        with pytest.raises(ssl.SSLError, match=alert):
            wrap(authority.server(leaf(authority.ca)), connection, server_side=True).recv(1)

    def client(connection):
        context = authority.client(ssl.TLSVersion.TLSv1_2)
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            wrap(context, connection, server_hostname=NAME)
        assert connection.fileno() == -1
        return caught.value.verify_code

    assert both(lan, server, client)[1] == code


@pytest.mark.parametrize("version", VERSIONS)
def test_both_ends_prove_who_they_are(lan, authority, version):
    mine = authority.ca.issue_cert("me@client.test", key_type=trustme.KeyType.ECDSA)

    def server(connection):
        context = authority.server()
        context.verify_mode = ssl.CERT_REQUIRED
        authority.ca.configure_trust(context)
        with wrap(context, connection, server_side=True) as tls:
            tls.sendall(b"known")
            return tls.getpeercert()["subjectAltName"]

    def client(connection):
        context = authority.client(version)
        mine.configure_cert(context)
        with wrap(context, connection, server_hostname=NAME) as tls:
            assert tls.recv(10) == b"known"

    assert both(lan, server, client)[0] == (("email", "me@client.test"),)


def test_a_client_without_a_certificate_is_told_so(lan, authority):
    def server(connection):
        context = authority.server()
        context.verify_mode = ssl.CERT_REQUIRED
        authority.ca.configure_trust(context)
        with pytest.raises(ssl.SSLError, match="did not return a certificate"):
            wrap(context, connection, server_side=True)

    def client(connection):
        tls = wrap(authority.client(), connection, server_hostname=NAME)  # RFC 8446 4.4.2.4: before the server looked
        with tls, pytest.raises(ssl.SSLError, match="certificate required"):
            tls.recv(1)

    both(lan, server, client)


def test_a_certificate_may_be_asked_for_later(lan, authority):  # RFC 8446 4.6.2
    def server(connection):
        context = authority.server()
        context.verify_mode, context.post_handshake_auth = ssl.CERT_REQUIRED, True
        authority.ca.configure_trust(context)
        with wrap(context, connection, server_side=True) as tls:
            assert tls.recv(10) == b"first"
            before = tls.getpeercert()
            tls.verify_client_post_handshake()
            tls.sendall(b"who?")
            assert tls.recv(10) == b"me"
            return before, tls.getpeercert()["subjectAltName"]

    mine = authority.ca.issue_cert("late@client.test", key_type=trustme.KeyType.ECDSA)

    def client(connection):
        context = authority.client(ssl.TLSVersion.TLSv1_3)
        context.post_handshake_auth = True
        mine.configure_cert(context)
        with wrap(context, connection, server_hostname=NAME) as tls:
            tls.sendall(b"first")
            assert tls.recv(10) == b"who?"
            tls.sendall(b"me")

    before, after = both(lan, server, client)[0]
    assert (before, after) == (None, (("email", "late@client.test"),))


# what hands are shaken about


def test_the_protocol_above_is_agreed_on(lan, authority):  # RFC 7301
    def server(connection):
        context = authority.server()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with wrap(context, connection, server_side=True) as tls:
            return tls.selected_alpn_protocol()

    def client(connection):
        context = authority.client()
        context.set_alpn_protocols(["http/1.1", "spdy/3"])
        with wrap(context, connection, server_hostname=NAME) as tls:
            return tls.selected_alpn_protocol()

    assert both(lan, server, client) == ("http/1.1", "http/1.1")


def test_a_server_of_two_names_shows_the_certificate_that_was_asked_for(lan, authority):  # RFC 6066 3
    other = authority.server(authority.ca.issue_cert("other.test", key_type=trustme.KeyType.ECDSA))
    asked = []

    def server(connection):
        def choose(tls, name, context):
            asked.append((type(tls), tls.getsockname()[1], name))
            tls.context = other

        context = authority.server()
        context.sni_callback = choose
        with wrap(context, connection, server_side=True) as tls:
            return tls.context is other

    def client(connection):
        with wrap(authority.client(), connection, server_hostname="other.test") as tls:
            return tls.getpeercert()["subjectAltName"]

    assert both(lan, server, client) == (True, (("DNS", "other.test"),))
    assert asked == [(TlsSocket, 443, "other.test")]


def test_a_name_that_is_not_served_is_refused_by_an_alert(lan, authority):
    def server(connection):
        context = authority.server()
        context.sni_callback = lambda tls, name, context: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        with pytest.raises(ssl.SSLError):
            wrap(context, connection, server_side=True)

    def client(connection):
        with pytest.raises(ssl.SSLError) as caught:
            wrap(authority.client(), connection, server_hostname=NAME)
        return caught.value.reason

    assert both(lan, server, client)[1] == "TLSV1_UNRECOGNIZED_NAME"


def test_versions_that_do_not_meet_are_told_apart(lan, authority):
    def server(connection):
        context = authority.server()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with pytest.raises(ssl.SSLError) as caught:
            wrap(context, connection, server_side=True)
        return caught.value.reason

    def client(connection):
        with pytest.raises(ssl.SSLError) as caught:
            wrap(authority.client(ssl.TLSVersion.TLSv1_2), connection, server_hostname=NAME)
        return caught.value.reason

    assert both(lan, server, client) == ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_taken_up_again(lan, authority, version):  # RFC 5077, RFC 8446 2.2
    there, here = lan.host("server"), lan.host("client")
    listening = wrap(authority.server(), there.create_server(("", 443)), server_side=True)
    context = authority.client(version)

    def serve():
        with listening:
            for _ in range(2):
                with listening.accept()[0] as tls:
                    tls.sendall(b"x")
                    assert tls.recv(1) == b""

    def ask(session=None):
        with wrap(context, here.create_connection((there.ip, 443)), server_hostname=NAME, session=session) as tls:
            assert tls.recv(1) == b"x"  # TLS 1.3: the ticket comes with the first bytes
            assert tls.session.has_ticket
            return tls.session_reused, tls.session

    def ask_twice():
        first, session = ask()
        return first, ask(session)[0]

    tasks = there.spawn(serve), here.spawn(ask_twice)
    lan.run_until(lambda: all(task.done() for task in tasks))
    tasks[0].result()
    assert tasks[1].result() == (False, True)


def test_the_secrets_can_be_logged(lan, authority, tmp_path):
    def client(connection):
        context = authority.client()
        context.keylog_filename = str(tmp_path / "secrets")
        wrap(context, connection, server_hostname=NAME).close()

    both(lan, lambda connection: wrap(authority.server(), connection, server_side=True).close(), client)
    assert "SERVER_TRAFFIC_SECRET_0" in (tmp_path / "secrets").read_text()
