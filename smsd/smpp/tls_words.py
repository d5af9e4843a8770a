"""What a failure of TLS means and who mends it, in words for a support desk. Words only."""

from __future__ import annotations

import ssl
from typing import Final

_OURS: Final = "the SMSC does not take our certificate (tls.cert_file)"

_CERTIFICATE: Final[dict[int, str]] = {
    9: "the SMSC's certificate is not valid yet: compare the clocks",
    10: "the SMSC's certificate has expired: the operator must renew it",
    18: "the SMSC's certificate is signed by itself alone: give it, or the operator's, as tls.ca_file",
    19: "the SMSC's certificate is by an authority that we do not know: give the operator's as tls.ca_file",
    20: "the SMSC's certificate is by an authority that we do not know: give the operator's as tls.ca_file",
    21: "the SMSC's certificate is by an authority that we do not know: give the operator's as tls.ca_file",
    23: "the SMSC's certificate has been revoked: the operator must renew it",
    62: "the SMSC's certificate has another name: give the right one as tls.server_name",
    64: "the SMSC's certificate has another address: give the certificate's name as tls.server_name",
}
"""OpenSSL's X509_V_ERR codes."""

NO_TLS: Final = "no TLS is spoken at this port: set tls = false, or ask the operator for the port with TLS"

_REASONS: Final[tuple[tuple[str, str], ...]] = (
    ("WRONG_VERSION_NUMBER", NO_TLS),
    ("HTTP_REQUEST", NO_TLS),
    (
        "PROTOCOL_VERSION",
        "the SMSC speaks only an older TLS than we take (tls.minimum): ask the operator for 1.2 or newer",
    ),
    (
        "UNSUPPORTED_PROTOCOL",
        "the SMSC speaks only an older TLS than we take (tls.minimum): ask the operator for 1.2 or newer",
    ),
    (
        "CERTIFICATE_REQUIRED",
        "the SMSC wants a certificate of ours: give tls.cert_file and tls.key_file",
    ),
    (
        "ALERT_HANDSHAKE_FAILURE",
        "the SMSC broke TLS off: it wants a certificate of ours (tls.cert_file, tls.key_file), or takes none "
        "of our ciphers",
    ),
    ("ALERT_UNKNOWN_CA", f"{_OURS}: it does not know who signed it"),
    ("ALERT_CERTIFICATE_EXPIRED", f"{_OURS}: it has expired"),
    ("ALERT_CERTIFICATE_REVOKED", f"{_OURS}: it has been revoked"),
    ("ALERT_BAD_CERTIFICATE", _OURS),
    ("ALERT_CERTIFICATE_UNKNOWN", _OURS),
    ("ALERT_UNSUPPORTED_CERTIFICATE", _OURS),
    ("ALERT_ACCESS_DENIED", _OURS),
    ("UNRECOGNIZED_NAME", "the SMSC does not know the name we ask for: see tls.server_name"),
    ("KEY_VALUES_MISMATCH", "tls.key_file is not the key of tls.cert_file"),
    ("NO_CERTIFICATE_OR_CRL_FOUND", "tls.ca_file holds no certificate in PEM"),
    ("PEM", "tls.ca_file, cert_file or key_file is no PEM file, or the key has a password"),
)
"""A part of OpenSSL's reason → what it means; the first that fits."""


def tls_words(failure: ssl.SSLError) -> str:
    """What went wrong and who mends it, with OpenSSL's own words behind."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        said = failure.verify_message
        means = _CERTIFICATE.get(failure.verify_code, "the SMSC's certificate cannot be trusted")
        return f"{means} ({said})"
    said = failure.strerror or str(failure)
    reason = getattr(failure, "reason", None) or said
    means = next((words for part, words in _REASONS if part in reason.upper()), "")
    said = reason.replace("_", " ").lower() if reason.isupper() else said
    return f"{means} ({said})" if means else said
