"""A reconciliation as people read it: a table of what differs, the sums, and what was or may be done."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.table import Table

from foundation.clock import oslo
from smsd.charging.reconciliation import Line, Totals
from smsd.charging.report_verdicts import Kind

_WORDS = {
    Kind.AGREED: "agreed",
    Kind.RESOLVED_CHARGED: "open here, charged there",
    Kind.RESOLVED_NOT_CHARGED: "open here, not charged there",
    Kind.CHARGED_THERE: "charged there, not here",
    Kind.NOT_CHARGED_THERE: "charged here, not there",
    Kind.GIVEN_BACK_THERE: "given back there",
    Kind.AMOUNT_DIFFERS: "the amount differs",
    Kind.BILLED_TWICE: "billed twice",
    Kind.INVOICE_BILLED_TWICE: "the invoice was billed twice",
    Kind.CONFIRMED: "contradicted here, confirmed there",
    Kind.MISSING: "missing in the report",
    Kind.AMBIGUOUS: "ambiguous",
    Kind.UNDER_WAY: "being sent",
    Kind.UNKNOWN: "unknown here",
}

_COLUMNS = ("line", "sent or billed", "number", "charge", "state", "ours kr", "theirs kr", "what", "next")


def kroner(amount_ore: int) -> str:
    """Øre as kroner with both decimals, `-49.90`."""
    whole, rest = divmod(abs(amount_ore), 100)
    return f"{'-' if amount_ore < 0 else ''}{whole}.{rest:02d}"


def table(lines: Sequence[Line]) -> Table:
    """What differs, one row a line; what is agreed, or is nobody's money, is left to the sums."""
    shown = Table(*_COLUMNS, box=None)
    for line in lines:
        if line.kind is Kind.AGREED or (line.kind is Kind.UNKNOWN and not line.theirs_ore):
            continue
        shown.add_row(
            ", ".join(map(str, line.lines)) or "-",
            oslo(line.at_us).strftime("%Y-%m-%d %H:%M:%S"),
            line.number,
            line.charge or "-",
            line.state or "-",
            kroner(line.ours_ore),
            kroner(line.theirs_ore),
            _WORDS[line.kind],
            _next(line),
        )
    return shown


def as_json(line: Line) -> str:
    """A line with all its fields and the difference."""
    fields = {**msgspec.structs.asdict(line), "difference_ore": line.difference_ore}
    return msgspec.json.encode(fields).decode()


def sums(totals: Totals) -> list[str]:
    """The sums of both sides, and how many lines there are of each kind."""
    kinds = ", ".join(
        f"{totals.kinds[kind]} {words}" for kind, words in _WORDS.items() if totals.kinds.get(kind)
    )
    return [
        f"{totals.rows} rows, {totals.charges} charges: {kinds}",
        f"theirs {totals.theirs_ore} øre, ours {totals.ours_ore} øre, difference {totals.difference_ore} øre",
    ]


def done(before: Totals, after: Sequence[Line]) -> list[str]:
    """What applying did."""
    totals = Totals.of(after)
    spoken = sum(bool(line.applied) for line in after)
    moved = sum(line.after is not line.state for line in after)
    return [
        f"applied: {spoken} charges told, {moved} moved; ours {before.ours_ore} → {totals.after_ore} øre, "
        f"difference now {totals.theirs_ore - totals.after_ore} øre, {totals.in_doubt} still in doubt"
    ]


def _next(line: Line) -> str:
    if line.applied:
        return f"applied: {' + '.join(line.applied)} → {line.after}"
    words = " + ".join(line.evidence)
    if line.refund:
        words += f"{' + ' if words else ''}{' + '.join(line.refund)} (with --refunds)"
    return "; ".join(part for part in (words, line.advice) if part)
