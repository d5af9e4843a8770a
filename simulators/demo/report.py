"""Sets what happened beside what was expected, counts the differences and prints both."""

from __future__ import annotations

from itertools import zip_longest

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simulators.demo.books import Books, Sms
from simulators.demo.examples import After, Answer
from simulators.demo.play import Performance, Played
from simulators.smsc.phones import Direction, PhoneMessage

_ORE_PER_KR = 100
_DIRECTIONS = {Direction.MO: "in", Direction.MT: "out"}
_WELL, _WRONG = "[green]✓[/]", "[bold red]✗[/]"


class Line(msgspec.Struct, frozen=True):
    """One line of a conversation: what happened, what was expected, and whether the two agree."""

    happened: str
    expected: str
    agrees: bool


class Verdict(msgspec.Struct, frozen=True):
    """One example judged: its conversation, and the rows of the books."""

    title: str
    number: str
    lines: tuple[Line, ...]
    books: tuple[Line, ...]

    @property
    def differences(self) -> int:
        """How many lines do not agree."""
        return sum(not line.agrees for line in (*self.lines, *self.books))


def judge(played: Played, books: Books) -> Verdict:
    """Compare one example with what was expected of it."""
    example = played.example
    lines: list[Line] = []
    for place, say in enumerate(example.says):
        if place >= len(played.came):
            lines.append(Line("(not sent: an answer before it did not come)", f"→ {say.text}", agrees=False))
            continue
        lines.append(Line(f"→ {say.text}", f"→ {say.text}", agrees=True))
        for message, answer in zip_longest(played.came[place], say.answers):
            lines.append(_compare(message, answer))
        if not say.answers and not played.came[place]:
            lines.append(Line("(no answer)", "(no answer)", agrees=True))
    rows = [
        Line(_rows(found), _rows(wanted), found == wanted)
        for found, wanted in _sides(books.about(example.number), example.after)
    ]
    dialog = books.dialog_differs(example.number, [_sms(message) for message in played.messages])
    if dialog:
        rows += [Line(each, "every SMS is in the dialog", agrees=False) for each in dialog]
    else:
        rows.append(Line(_dialog(played), "every SMS is in the dialog", agrees=True))
    return Verdict(example.title, example.number, tuple(lines), tuple(rows))


def _compare(message: PhoneMessage | None, answer: Answer | None) -> Line:
    happened = "(nothing came)" if message is None else f"← {_came(message)}"
    expected = "(nothing more)" if answer is None else f"← {_price(answer.kr, answer.billed)}{answer.words}"
    agrees = (
        message is not None
        and answer is not None
        and answer.fits(message.text)
        and message.price_ore == answer.kr * _ORE_PER_KR
        and message.billed == answer.billed
    )
    return Line(happened, expected, agrees)


def _came(message: PhoneMessage) -> str:
    return _price(message.price_ore // _ORE_PER_KR, message.billed) + message.text


def _price(kr: int, billed: bool | None) -> str:
    if not kr and billed is None:
        return "[free] "
    return f"[{kr} kr, {'billed' if billed else 'not billed' if billed is not None else 'undecided'}] "


def _sides(found: After, wanted: After) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    sides = []
    for name in After.__struct_fields__:
        here, there = getattr(found, name), getattr(wanted, name)
        if here or there:
            label = name.replace("_", " ")
            sides.append((_labelled(label, here), _labelled(label, there)))
    return sides


def _labelled(label: str, rows: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(f"{label}: {row} kr" if isinstance(row, int) else f"{label}: {row}" for row in rows)


def _rows(rows: tuple[str, ...]) -> str:
    return "\n".join(rows) or "(nothing)"


def _sms(message: PhoneMessage) -> Sms:
    return _DIRECTIONS[message.direction], message.text, message.price_ore


def _dialog(played: Played) -> str:
    return f"dialog: {len(played.messages)} SMS"


def tell(verdict: Verdict, console: Console) -> None:
    """Print one example."""
    mark = _WRONG if verdict.differences else _WELL
    console.print(f"\n{mark} [bold]{escape(verdict.title)}[/]  [dim]{verdict.number}[/]")
    table = Table(box=None, pad_edge=False, padding=(0, 1), expand=True)
    table.add_column("", width=1)
    table.add_column("what happened", ratio=1, overflow="fold")
    table.add_column("what was expected", ratio=1, overflow="fold")
    for line in verdict.lines:
        table.add_row(_mark(line), escape(line.happened), escape(line.expected), style=_style(line, ""))
    for line in verdict.books:
        table.add_row(_mark(line), escape(line.happened), escape(line.expected), style=_style(line, "dim"))
    console.print(table)


def _mark(line: Line) -> str:
    return _WELL if line.agrees else _WRONG


def _style(line: Line, otherwise: str) -> str:
    return otherwise if line.agrees else "red"


def tell_all(performance: Performance, console: Console) -> int:
    """Print everything with a summary at the end; how many differences there are."""
    differences = 0
    wrong: list[str] = []
    for played in performance.played:
        verdict = judge(played, performance.books)
        tell(verdict, console)
        differences += verdict.differences
        if verdict.differences:
            wrong.append(verdict.title)
    found = [*performance.books.audit(), *performance.faults]
    differences += len(found)
    console.print()
    for each in found:
        console.print(f"{_WRONG} {escape(each)}")
    if not found:
        console.print(f"{_WELL} the bridge's audit finds nothing, and the operator billed what it expects")
    for title in wrong:
        console.print(f"{_WRONG} {escape(title)}")
    texts = sum(len(played.messages) for played in performance.played)
    said = f"{differences} differences" if differences else "no difference"
    console.print(
        f"{_WRONG if differences else _WELL} {len(performance.played)} examples, {texts} SMS, {said}, "
        f"{performance.seconds:.1f} s",
        highlight=False,
    )
    return differences
