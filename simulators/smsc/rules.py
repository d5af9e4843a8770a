"""Decides how the SMSC behaves towards one submit_sm: the default, changed by rules that match.

Pure but for the counters of rules that apply a limited number of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from simulators.smsc.settings import (
    Bill,
    IdFormat,
    ReceiptForm,
    ReceiptState,
    RuleSpec,
    Script,
)

ESME_RTHROTTLED = 0x00000058

# both in one read would leave the order to the ESME
_AFTER_THE_RECEIPT_S = 0.05
_OUTCOME = ("receipt", "stat", "err", "network_error", "bill", "bill_delay_s")
_SINGLE = (
    "refuse",
    "receipt_delay_s",
    "receipt_twice",
    "receipt_first",
    "contradict",
    "receipt_form",
    "id_in_response",
    "id_in_receipt",
    "drop_response",
    "response_delay_s",
    "deaf",
)
_ERR_OF_STATE = {
    ReceiptState.UNDELIV: "0001",
    ReceiptState.EXPIRED: "0002",
    ReceiptState.REJECTD: "0003",
    ReceiptState.DELETED: "0004",
}


class Behaviour(msgspec.Struct, frozen=True, gc=False):
    """What happens to one submit_sm. `refuse` is a command_status, 0 accepts."""

    receipt_delay_s: float
    receipt_form: ReceiptForm
    id_in_response: IdFormat
    id_in_receipt: IdFormat
    refuse: int = 0
    receipt: ReceiptState = ReceiptState.DELIVRD
    stat: str = ""
    err: str = "000"
    network_error: bytes = b""
    bill: Bill = Bill.ON_DELIVERY
    bill_delay_s: float = 5.0
    receipt_twice: bool = False
    receipt_first: bool = False
    contradict: ReceiptState | None = None
    drop_response: bool = False
    response_delay_s: float = 0.0
    close: bool = False
    deaf: bool = False

    @property
    def delivered(self) -> bool:
        """The phone gets the message (a missing receipt does not keep it away)."""
        return self.receipt in {ReceiptState.DELIVRD, ReceiptState.NONE}


class Rule:
    """One rule in force. `left` is how many messages it still applies to, None without end."""

    def __init__(self, number: int, spec: RuleSpec, *, default: bool = False) -> None:
        self.number = number
        self.spec = spec
        self.default = default
        self.applied = 0
        self.left = spec.throttle if spec.throttle is not None else spec.times
        self._countdown = spec.close_after
        if self.left is None and (spec.close_after is not None or spec.deaf):
            self.left = 1
        self._prefix = spec.number.replace("+", "").replace(" ", "") if spec.number else ""
        self._regex = re.compile(spec.number_regex) if spec.number_regex is not None else None
        self.changes = _changes(spec)

    def matches(self, digits: str, short_code: str, premium: bool) -> bool:
        """`digits` is the destination in international form without `+`."""
        spec = self.spec
        if not digits.startswith(self._prefix):
            return False
        if spec.premium is not None and spec.premium is not premium:
            return False
        if spec.short_code is not None and not short_code.startswith(spec.short_code):
            return False
        return self._regex is None or self._regex.fullmatch(digits) is not None

    def take(self) -> bool:
        """Counts one message; True where its other effects apply to it now."""
        if self._countdown is not None:
            self._countdown -= 1
            if self._countdown:
                return False
            self._countdown = self.spec.close_after
        self.applied += 1
        if self.left is not None:
            self.left -= 1
        return True

    def listing(self) -> dict[str, Any]:
        """The rule as `GET /faults` shows it."""
        body = self.spec.model_dump(mode="json", exclude_unset=True)
        return {
            "number": self.number,
            "default": self.default,
            "applied": self.applied,
            "left": self.left,
            "rule": body,
        }


class RuleBook:
    """The rules in force, first ones first; those posted stand before the script's and the defaults."""

    def __init__(self, script: Script, defaults: Sequence[RuleSpec]) -> None:
        self._limit = script.limits.rules
        self._base = Behaviour(
            receipt_delay_s=script.receipts.delay_s,
            receipt_form=script.receipts.form,
            id_in_response=script.ids.response,
            id_in_receipt=script.ids.receipt or script.ids.response,
        )
        self._made: dict[tuple[int, ...], Behaviour] = {}
        self._count = 0
        self._rules: list[Rule] = []
        self.add(script.rules)
        self._standing = [*self._rules, *self._new(defaults, default=True)]
        self._rules = list(self._standing)

    def __len__(self) -> int:
        return len(self._rules)

    def room_for(self, specs: Sequence[RuleSpec], *, replace: bool) -> bool:
        """Whether so many may be added, or put in place of those added before."""
        added = 0 if replace else len(self._rules) - len(self._standing)
        return added + len(specs) <= self._limit

    def add(self, specs: Iterable[RuleSpec]) -> list[Rule]:
        """Puts rules before those in force, in the order given."""
        added = self._new(specs)
        self._rules[:0] = added
        return added

    def clear(self) -> None:
        """Takes out every rule that was added later; the script's and the defaults stand, freshly counted."""
        self._standing = [Rule(rule.number, rule.spec, default=rule.default) for rule in self._standing]
        self._rules = list(self._standing)
        self._made.clear()

    def rules(self) -> list[Rule]:
        """The rules in force, the deciding ones first."""
        return list(self._rules)

    def decide(self, digits: str, short_code: str, premium: bool) -> Behaviour:
        """How to treat one submit_sm; counts it where a matching rule is limited."""
        applied: list[Rule] = []
        spent = False
        for rule in self._rules:
            if rule.matches(digits, short_code, premium) and rule.take():
                applied.append(rule)
                spent = spent or rule.left == 0
                if "refuse" in rule.changes:
                    break
        if not applied:
            return self._base
        key = tuple(rule.number for rule in applied)
        behaviour = self._made.get(key)
        if behaviour is None:
            behaviour = self._made[key] = self._merge(applied)
        if spent:
            self._rules = [rule for rule in self._rules if rule.left != 0]
            self._made.clear()
        return behaviour

    def _new(self, specs: Iterable[RuleSpec], *, default: bool = False) -> list[Rule]:
        made = []
        for spec in specs:
            self._count += 1
            made.append(Rule(self._count, spec, default=default))
        return made

    def _merge(self, rules: Sequence[Rule]) -> Behaviour:
        merged: dict[str, Any] = {}
        outcome_set = False
        for rule in rules:
            for name, value in rule.changes.items():
                if name in _OUTCOME:
                    if not outcome_set:
                        merged[name] = value
                else:
                    merged.setdefault(name, value)
            outcome_set = outcome_set or any(name in _OUTCOME for name in rule.changes)
        state = merged.get("receipt")
        if state in _ERR_OF_STATE:
            merged.setdefault("err", _ERR_OF_STATE[state])
        if merged.get("receipt_first"):
            merged["receipt_delay_s"] = 0.0
            merged.setdefault("response_delay_s", _AFTER_THE_RECEIPT_S)
        return msgspec.structs.replace(self._base, **merged)


def _changes(spec: RuleSpec) -> dict[str, Any]:
    given = spec.model_dump(exclude_unset=True, exclude_none=True)
    changes = {name: given[name] for name in (*_OUTCOME, *_SINGLE) if name in given}
    if "network_error" in changes:
        changes["network_error"] = bytes.fromhex(changes["network_error"])
    if spec.throttle is not None:
        changes["refuse"] = ESME_RTHROTTLED
    if spec.close_after is not None:
        changes["close"] = True
    return changes
