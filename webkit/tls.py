"""TLS as Mozilla recommends it for general use ("intermediate"): TLS 1.2 with forward secrecy and AEAD, and TLS 1.3."""

import ssl
from pathlib import Path
from typing import Final

from webkit.errors import ConfigError

__all__ = ["make_tls_context"]

# For TLS 1.2; the suites of TLS 1.3 are all good, and OpenSSL has them on. The default context still offers CBC.
_CIPHERS: Final = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "DHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES256-GCM-SHA384",
        "DHE-RSA-CHACHA20-POLY1305",
    )
)


def make_tls_context(
    certificate: str | Path, key: str | Path | None = None, *, password: str | None = None
) -> ssl.SSLContext:
    """Make the context of a server from two PEM files; without *key* it is in the file of the certificate.

    Raises:
        ConfigError: a file is missing or no PEM, the key does not fit, or its password is wrong.
    """
    for path in (certificate, key):
        if path is not None and not Path(path).is_file():
            raise ConfigError(f"There is no file {str(path)!r} for TLS; it was looked for in {Path.cwd()}.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # What aiohttp speaks: a client that could do HTTP/2 learns that there is none.
    context.set_alpn_protocols(["http/1.1"])
    try:
        # An empty password instead of none: OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password or "")
    except (OSError, ValueError) as error:
        raise ConfigError(_explain(Path(certificate), Path(key or certificate), error)) from None
    return context


def _explain(certificate: Path, key: Path, error: Exception) -> str:
    """Say what is wrong with the files: OpenSSL itself says "PEM lib" to most of it."""
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"The key in {str(key)!r} belongs to another certificate than that in {str(certificate)!r}."
        if "-----BEGIN CERTIFICATE-----" not in certificate.read_text(errors="replace"):
            return f"There is no certificate in {str(certificate)!r}: it must be a PEM file."
        pem = key.read_text(errors="replace")
        if "PRIVATE KEY-----" not in pem:
            return (
                f"There is no private key in {str(key)!r}: it must be a PEM file, of its own or with the certificate."
            )
        if "ENCRYPTED" in pem:
            return f"The key in {str(key)!r} has a password, which is not given or wrong."
    return f"The certificate {str(certificate)!r} and its key {str(key)!r} cannot be used: {error}."
