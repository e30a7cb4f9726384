"""TLS from two files: what is spoken, what is refused, and what is said of files that do not fit."""

import shutil
import ssl
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from webkit import Application, ConfigError, Server, ServerConfig
from webkit.tls import make_tls_context


@dataclass(frozen=True)
class Files:
    """PEM files: a certificate with its key in several forms, and the key of another certificate."""

    certificate: Path
    key: Path
    both: Path
    locked_key: Path  # with the password "secret"
    other_key: Path
    rsa: Path  # an RSA certificate with its key


def run_openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_certificate(folder: Path, name: str, *kind: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    options = ["-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", names]
    run_openssl("req", *options, "-newkey", *kind, "-keyout", key, "-out", certificate)
    return certificate, key


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Make the files; a machine without the program openssl skips the tests."""
    if shutil.which("openssl") is None:
        pytest.skip("The program openssl is not installed: it makes the certificates of these tests.")
    folder = tmp_path_factory.mktemp("tls")
    curve = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    certificate, key = make_certificate(folder, "one", *curve)
    _, other_key = make_certificate(folder, "two", *curve)
    rsa, rsa_key = make_certificate(folder, "rsa", "rsa:2048")
    rsa.write_text(rsa.read_text() + rsa_key.read_text())
    both = folder / "both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    locked_key = folder / "locked.key"
    run_openssl("pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked_key)
    return Files(certificate, key, both, locked_key, other_key, rsa)


def make_client(certificate: Path, *, version: ssl.TLSVersion | None = None, ciphers: str = "") -> ssl.SSLContext:
    """Make a client that trusts *certificate*, and knows no other version and ciphers of TLS 1.2 than these."""
    context = ssl.create_default_context(cafile=certificate)
    if ciphers:
        context.set_ciphers(ciphers)
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that a client could be so old
            context.minimum_version = version
            context.maximum_version = version
    return context


def shake_hands(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> ssl.SSLObject:
    """Let the two speak in memory, and give the client's end; ``ssl.SSLError`` where they do not come together."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    open_ends = [client, server]
    while open_ends:
        for end in tuple(open_ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            open_ends.remove(end)
    return client


# What is spoken


def test_a_client_of_today_speaks_tls_1_3_and_is_told_that_there_is_no_http_2(files: Files) -> None:
    client = make_client(files.certificate)
    client.set_alpn_protocols(["h2", "http/1.1"])
    connection = shake_hands(make_tls_context(files.certificate, files.key), client)
    assert connection.version() == "TLSv1.3"
    assert connection.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize(
    ("rsa", "cipher"),
    [
        (False, "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (False, "ECDHE-ECDSA-CHACHA20-POLY1305"),
        (True, "ECDHE-RSA-AES128-GCM-SHA256"),
        (True, "ECDHE-RSA-AES256-GCM-SHA384"),
    ],
)
def test_an_older_client_speaks_tls_1_2_with_forward_secrecy(files: Files, rsa: bool, cipher: str) -> None:
    certificate = files.rsa if rsa else files.both
    client = make_client(certificate, version=ssl.TLSVersion.TLSv1_2, ciphers=cipher)
    connection = shake_hands(make_tls_context(certificate), client)
    assert (connection.version(), (connection.cipher() or ("",))[0]) == ("TLSv1.2", cipher)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_versions_before_1_2_are_refused(files: Files, version: ssl.TLSVersion) -> None:
    client = make_client(files.rsa, version=version, ciphers="ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shake_hands(make_tls_context(files.rsa), client)


@pytest.mark.parametrize(
    "cipher", ["ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA", "AES128-SHA", "AES128-GCM-SHA256"]
)
def test_cbc_and_suites_without_forward_secrecy_are_refused(files: Files, cipher: str) -> None:
    client = make_client(files.rsa, version=ssl.TLSVersion.TLSv1_2, ciphers=cipher)
    with pytest.raises(ssl.SSLError):
        shake_hands(make_tls_context(files.rsa), client)


def test_only_suites_that_authenticate_what_they_encrypt_are_offered(files: Files) -> None:
    ciphers = make_tls_context(files.certificate, files.key).get_ciphers()
    assert ciphers
    assert [cipher["name"] for cipher in ciphers if not cipher["aead"]] == []


# The files


def test_the_key_may_be_in_the_file_of_the_certificate_or_have_a_password(files: Files) -> None:
    assert shake_hands(make_tls_context(files.both), make_client(files.certificate))
    locked = make_tls_context(files.certificate, files.locked_key, password="secret")
    assert shake_hands(locked, make_client(files.certificate))
    # A password that nobody needs does no harm.
    make_tls_context(str(files.certificate), str(files.key), password="secret")


def test_a_file_that_is_missing_is_named_with_where_it_was_looked_for(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as raised:
        make_tls_context("tls/site.pem", files.key)
    assert str(raised.value) == f"There is no file 'tls/site.pem' for TLS; it was looked for in {tmp_path}."
    with pytest.raises(ConfigError, match=r"There is no file '\.' for TLS"):
        make_tls_context(files.certificate, ".")


def test_a_key_of_another_certificate_is_said_so(files: Files) -> None:
    with pytest.raises(ConfigError, match=r"two\.key' belongs to another certificate than that in '.*one\.pem'"):
        make_tls_context(files.certificate, files.other_key)


@pytest.mark.parametrize("password", [None, "", "wrong"])
def test_a_password_that_is_missing_or_wrong_is_said_so_and_not_asked_for(files: Files, password: str | None) -> None:
    with pytest.raises(ConfigError, match=r"locked\.key' has a password, which is not given or wrong"):
        make_tls_context(files.certificate, files.locked_key, password=password)


def test_a_password_that_openssl_cannot_take_is_an_error_as_others(files: Files) -> None:
    with pytest.raises(ConfigError, match="password cannot be longer than 1024 bytes"):
        make_tls_context(files.certificate, files.locked_key, password="x" * 2000)


def test_what_is_no_certificate_or_no_key_is_said_so(files: Files, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_bytes(b"\xff nothing of the kind")
    with pytest.raises(ConfigError, match=r"There is no certificate in '.*junk\.pem': it must be a PEM file"):
        make_tls_context(junk, files.key)
    with pytest.raises(ConfigError, match=r"There is no private key in '.*junk\.pem': it must be a PEM file"):
        make_tls_context(files.certificate, junk)
    with pytest.raises(ConfigError, match=r"There is no private key in '.*one\.pem'"):
        make_tls_context(files.certificate)


# A request


async def test_a_request_over_tls_is_secure(files: Files) -> None:
    async def show(request: web.Request) -> str:
        return f"{request.scheme} {request.secure}"

    app = Application()
    app.add_get("/", show)
    server = Server(app, ServerConfig(host="127.0.0.1", port=0, tls_cert=files.certificate, tls_key=files.key))
    await server.start()
    try:
        (url,) = server.urls
        assert url.startswith("https://127.0.0.1:")
        async with ClientSession() as session, session.get(url, ssl=make_client(files.certificate)) as response:
            assert await response.text() == "https True"
    finally:
        await server.stop()
