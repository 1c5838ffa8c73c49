"""Constraints of three parties, their precedence, and what of them travels with a packet.

    zones.py, hours.py     shapes that are never seen, and hours of the day
    tables.py              [sender], [network], [receiver] as TOML has them
    price.py               what a megabyte costs
    presets.py             three sets of them that have a name
    effective.py           sender over network over receiver, explained field by field
    binding.py             the `policy` layer: what binds whoever receives a packet
    rendering.py           what a renderer is asked for in the end

Pure: no clock, no files.
"""

from wire.policy.binding import BindingError
from wire.policy.effective import Decision, Effective, effective
from wire.policy.errors import PolicyError, UnknownConstraintError
from wire.policy.rendering import MAX_PROMPT, Policy
from wire.policy.tables import Demands, Link, Network, Receiver, Sender, Tables

__all__ = [
    "MAX_PROMPT",
    "BindingError",
    "Decision",
    "Demands",
    "Effective",
    "Link",
    "Network",
    "Policy",
    "PolicyError",
    "Receiver",
    "Sender",
    "Tables",
    "UnknownConstraintError",
    "effective",
]
