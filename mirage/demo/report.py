"""What the demo found out: report.json, and the tables on the screen."""

from collections.abc import Sequence

import msgspec

from mirage.decode import Decoded
from mirage.demo.cost import WireCost, birth_bytes, mqtt_bytes
from mirage.ledger import Row
from mirage.reports import Encoded
