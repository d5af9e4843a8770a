"""What can be wrong with a PDU. The tree:

    PduError
    ├── UnencodablePduError        ours: a field that SMPP cannot carry; raised to the caller
    └── RemotePduError             theirs; carries the status to answer with
        ├── RecoverablePduError    the header is whole, so it is answered and the link goes on
        └── UnrecoverablePduError  where the next PDU begins is not known; the link ends

No text here repeats content, numbers or passwords.
"""

from __future__ import annotations

import msgspec

from smsd.smpp.constants import describe


class PduError(Exception):
    """A PDU that breaks SMPP 3.4."""


class UnencodablePduError(PduError):
    """A field is too long, holds a NUL, is outside ISO-8859-1, or a number does not fit its octets."""


class RemotePduError(PduError):
    """A PDU from the other side; `sequence` and `command_id` are 0 where they could not be read."""

    def __init__(self, status: int, sequence: int, command_id: int, what: str) -> None:
        super().__init__(f"{describe(status)}: {what}")
        self.status = int(status)
        self.sequence = sequence
        self.command_id = command_id
        self.what = what


class RecoverablePduError(RemotePduError):
    """The header is whole: answer with `status` under `sequence`."""


class UnrecoverablePduError(RemotePduError):
    """The stream can no longer be cut into PDUs."""


class PduFault(msgspec.Struct, frozen=True, gc=False):
    """A `RemotePduError` as an outcome, for those who must not raise."""

    status: int
    sequence: int
    command_id: int
    recoverable: bool
    what: str

    @classmethod
    def of(cls, error: RemotePduError) -> PduFault:
        return cls(
            error.status,
            error.sequence,
            error.command_id,
            isinstance(error, RecoverablePduError),
            error.what,
        )
