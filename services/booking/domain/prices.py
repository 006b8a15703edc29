"""What a slot costs. Money is whole cents; a price is counted once, when the slot is asked for, and kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.booking.domain.words import length_words
from shared.calendar import Span
from shared.errors import Fault

MOST_CENTS = 10**9  # an hour of anything costs less


class Rate(StrEnum):
    """Which of the two prices per hour an organisation pays."""

    MARKET = "market"  # companies
    OTHER = "other"  # universities, research and public bodies, and all the rest


def rate_of(organisation_kind: str) -> Rate:
    return Rate.MARKET if organisation_kind == "company" else Rate.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices per hour from a day on; None where a price is not published."""

    valid_from: date
    currency: str
    market_cents: int | None
    other_cents: int | None
    set_up_cents: int = 0
    per: timedelta = timedelta(minutes=30)  # every started stretch of this length is charged in full

    def hourly(self, rate: Rate) -> int | None:
        return self.market_cents if rate is Rate.MARKET else self.other_cents

    def in_words(self) -> str:
        return f"Charged by every started {length_words(self.per)}, without VAT"

    def faults(self) -> list[Fault]:
        """What is wrong with the list itself."""
        checks = (
            ("currency", len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()),
            ("market_cents", self.market_cents is None or 0 <= self.market_cents <= MOST_CENTS),
            ("other_cents", self.other_cents is None or 0 <= self.other_cents <= MOST_CENTS),
            ("set_up_cents", 0 <= self.set_up_cents <= MOST_CENTS),
            ("per", timedelta(minutes=1) <= self.per <= timedelta(days=1)),
        )
        said = {
            "currency": "A currency is three capital letters, such as EUR.",
            "per": "It must be between 1 minute and one day.",
        }
        return [
            Fault("out-of-range", said.get(name, "It must be between 0 and ten million."), name)
            for name, good in checks
            if not good
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one slot costs, and how it comes about."""

    cents: int
    currency: str
    rate: Rate
    hourly_cents: int
    charged_minutes: int
    set_up_cents: int


def price_of(slot: Span, lists: Iterable[PriceList], rate: Rate, zone: ZoneInfo) -> Price | None:
    """The price of `slot` by the list in force on its first local day; None where none is published."""
    day = slot.starts_at.astimezone(zone).date()
    in_force = max((each for each in lists if each.valid_from <= day), key=_valid_from, default=None)
    hourly = in_force.hourly(rate) if in_force else None
    if in_force is None or hourly is None:
        return None
    started = -(-slot.duration // in_force.per)
    minutes = started * (in_force.per // timedelta(minutes=1))
    return Price(
        cents=(hourly * minutes + 30) // 60 + in_force.set_up_cents,
        currency=in_force.currency,
        rate=rate,
        hourly_cents=hourly,
        charged_minutes=minutes,
        set_up_cents=in_force.set_up_cents,
    )


def _valid_from(prices: PriceList) -> date:
    return prices.valid_from
