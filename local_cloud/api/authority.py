"""The certificate authority of one cloud: it signs for the host names of AWS and nothing else.

Each cloud makes its own. The private keys stay in the memory of the process. Name constraints (RFC
5280, 4.2.1.10) limit the certificates that a client accepts to the domains of AWS, so a program
that trusts this authority trusts it for no other site.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import ssl
from pathlib import Path

import botocore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local_cloud.api.hosts import DOMAINS
from local_cloud.traffic import certificates

NAME = "ami-pipeline local cloud"
LASTS = dt.timedelta(days=365)
NETWORKS = ("0.0.0.0/0", "::/0")
LONGEST_COMMON_NAME = 64


class Authority:
    """Signs a certificate for each host name of AWS that a client asks for."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._host_key = ec.generate_private_key(ec.SECP256R1())
        self._began = dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=1)
        self._certificate = self._own_certificate()
        self.context = functools.lru_cache(maxsize=512)(self._context)

    @property
    def pem(self) -> str:
        """The certificate that clients must trust."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _own_certificate(self) -> x509.Certificate:
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
        limits = x509.NameConstraints(
            permitted_subtrees=[x509.DNSName(domain) for domain in DOMAINS],
            # Constraints count only for the kinds of names that they mention.
            excluded_subtrees=[x509.IPAddress(ipaddress.ip_network(each)) for each in NETWORKS],
        )
        return (
            self._builder(named, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage(signs=True), critical=True)
            .add_extension(limits, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
        own = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._began)
            .not_valid_after(self._began + LASTS)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own), False)
        )

    def _context(self, host: str) -> ssl.SSLContext:
        """Return the TLS context of a server with this name."""
        common = host if len(host) <= LONGEST_COMMON_NAME else NAME
        serves = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        signed = (
            self._builder(
                x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]), self._host_key
            )
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(signs=False), critical=True)
            .add_extension(serves, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        context = certificates.server_context(self._host_key, signed)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def write(self, authority: Path, trusted: Path, system: str = "") -> None:
        """Write the certificate, and a bundle of it and of what the machine trusts.

        `system` is the user's own bundle; without one it is that of OpenSSL, else botocore's.
        """
        authority.write_text(self.pem)
        trusted.write_text(f"{bundle(system)}\n{self.pem}")


def bundle(system: str) -> str:
    """Return the certificates that this machine trusts, in PEM."""
    paths = ssl.get_default_verify_paths()
    shipped = str(Path(botocore.__file__).with_name("cacert.pem"))
    for name in (system, paths.cafile, paths.openssl_cafile, shipped):
        if name and Path(name).is_file():
            return Path(name).read_text(errors="replace")
    return ""


def usage(*, signs: bool) -> x509.KeyUsage:
    """Return what a key is used for: to sign certificates, or to serve TLS."""
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
