"""Make self-signed certificates for listeners that terminate HTTPS, SSL or TLS.

AWS takes them from Certificate Manager; clients of the local cloud must be told to trust these.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@functools.lru_cache(maxsize=64)
def context(address: str) -> ssl.SSLContext:
    """Return the TLS context of a server on this address."""
    key = ec.generate_private_key(ec.SECP256R1())
    return server_context(key, certificate(key, address))


def server_context(key: ec.EllipticCurvePrivateKey, signed: x509.Certificate) -> ssl.SSLContext:
    """Return the TLS context of a server with this key and certificate.

    OpenSSL takes them from a file only. This one is in memory, so the key is never on a disk.
    """
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + signed.public_bytes(serialization.Encoding.PEM)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem)
        made.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return made


def certificate(key: ec.EllipticCurvePrivateKey, address: str) -> x509.Certificate:
    """Return the self-signed certificate of a key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local cloud load balancer")])
    names = [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")]
    now = dt.datetime.now(tz=dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
