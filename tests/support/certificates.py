"""Certificates for tests, made on the spot by openssl: an authority, and what it signs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
from programs import need

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Leaf(msgspec.Struct, frozen=True):
    """A certificate and its key, PEM files."""

    cert: Path
    key: Path


class Authority:
    """Its certificate is `ca`; files lie in `folder` under `name`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._name = name
        self.ca = folder / f"{name}.pem"
        self._openssl(
            *("req", "-x509", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign"),
        )

    def leaf(self, name: str, *, names: str = "DNS:localhost", days: int = 2) -> Leaf:
        """A certificate for `names`, as subjectAltName writes them; of -1 `days`: expired."""
        self._openssl(
            *("req", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE"),
        )
        self._openssl(
            *(
                "x509",
                "-req",
                "-in",
                f"{name}.csr",
                "-CA",
                f"{self._name}.pem",
                "-CAkey",
                f"{self._name}.key",
            ),
            *("-CAcreateserial", "-copy_extensions", "copyall", "-days", str(days), "-out", f"{name}.pem"),
        )
        return Leaf(self._folder / f"{name}.pem", self._folder / f"{name}.key")

    def _openssl(self, *words: str) -> None:
        subprocess.run([need("openssl"), *words], cwd=self._folder, check=True, capture_output=True)
