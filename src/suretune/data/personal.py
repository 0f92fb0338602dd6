"""Numbers and addresses that belong to a person: found by their form and by their check digit."""

from __future__ import annotations

import re

ALONE = r"(?<![0-9A-Za-z_])(?<![0-9][.,])", r"(?![0-9A-Za-z_])(?![.,][0-9])"  # of no longer number
CITIZEN = re.compile(  # place, day of birth, running number, check digit
    r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]".join(
        ALONE
    )
)
# Written together or in fours, with the first digits that banks have: no time stamp, no years.
CARD = re.compile(
    r"(?=[3-6]|2[2-7]|95)(?:[0-9]{16,19}|[0-9]{4}(?:[ -][0-9]{4}){3}(?:[ -]?[0-9]{1,3})?)".join(
        ALONE
    )
)
MOBILE = re.compile(
    r"(?:\+?86[ -]?)?(?:1[3-9][0-9]{9}|1[3-9][0-9]([ -])[0-9]{4}\1[0-9]{4})".join(ALONE)
)
# From the sign on, so that a long word without one costs nothing; `git@host:path` is an address
# of code.
EMAIL = re.compile(
    r"(?<=[A-Za-z0-9._%+-])(?<!\bgit)@((?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})(?![A-Za-z0-9])"
)
MADE_UP = frozenset({"example", "test", "localhost", "invalid"})  # domains that nobody can own
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECKS = "10X98765432"


def is_personal(text: str) -> bool:
    """A valid Chinese ID or bank card number, a Chinese mobile number, or an e-mail address."""
    return (
        any(is_citizen(found[0]) for found in CITIZEN.finditer(text))
        or any(is_card(found[0]) for found in CARD.finditer(text))
        or bool(MOBILE.search(text))
        or any(_somebodys(found[1]) for found in EMAIL.finditer(text))
    )


def is_citizen(number: str) -> bool:
    """The check digit of GB 11643."""
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, number, strict=False))
    return CHECKS[total % 11] == number[-1].upper()


def is_card(number: str) -> bool:
    """Luhn's check digit (ISO/IEC 7812)."""
    digits = [int(digit) for digit in reversed(re.sub("[ -]", "", number))]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _somebodys(domain: str) -> bool:
    """Not one of those that are kept for examples (RFC 2606), or that say so: mail.test."""
    *_, owner, last = domain.lower().split(".")
    return last not in MADE_UP and not owner.startswith("example")
