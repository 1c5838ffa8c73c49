"""What a megabyte costs, as text: "0.40 EUR". A megabyte has 10**6 bytes, as on the bills of networks."""

import re
from dataclasses import dataclass
from decimal import Decimal

_PRICE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) ([A-Z]{3})")
_NANO_PER_BYTE = 1000  # a millionth of a megabyte, in billionths


@dataclass(frozen=True, slots=True)
class Price:
    """Of a megabyte; exact."""

    amount: Decimal
    currency: str

    @classmethod
    def parse(cls, text: str) -> "Price":
        """Read amount and currency (ISO 4217), or raise ValueError."""
        found = _PRICE.fullmatch(text)
        if found is None:
            raise ValueError(f"price_per_mb {text!r} is not as in 0.40 EUR")
        return cls(Decimal(found[1]), found[2])

    def nano(self, size: int) -> int:
        """Give what so many bytes cost, in billionths of the currency."""
        return int(self.amount * size * _NANO_PER_BYTE)
