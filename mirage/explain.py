"""`mirage policy explain`: what is in force, who decided it, and why."""

from dataclasses import asdict

from rich.table import Table

from mirage.errors import InputError
from mirage.output import as_json, print_line, print_tables
from wire.policy import Decision, Tables, binding, effective
from wire.policy.effective import Value
from wire.policy.tables import Link

_STYLE = {"limited": "yellow", "refused": "red", "unmet": "red", "granted": "", "default": "dim"}


def main(tables: Tables, link: str | None = None, *, json: bool, everything: bool) -> None:
    """Print the effective constraints, on a link of the network if one is named.

    Raises PolicyError where nothing could be sent, InputError for a link that there is not.
    """
    active = _link(tables, link)
    network = tables.network if active is None else tables.network.on(active.name)
    found = effective(tables.sender, network, tables.receiver)
    layer = binding.encode(found.binding)
    if json:
        fields = [asdict(each) for each in found]
        report: dict[str, object] = {"fields": fields}
        report |= {"policy_layer": layer.hex(), "policy_layer_bytes": len(layer)}
        if active is not None:
            report["link"] = {"name": active.name, "match": active.match, "price_per_mb": active.price_per_mb}
        print_line(as_json(report))
        return
    shown = [each for each in found if everything or each.outcome != "default"]
    hidden = len(found.decisions) - len(shown)
    size = "1 byte of each packet binds" if len(layer) == 1 else f"{len(layer)} bytes of each packet bind"
    lines = [] if active is None else [_told(active)]
    lines.append(f"{size} its receiver." if layer else "Nothing binds the receiver.")
    if hidden:
        lines.append(f"{hidden} fields that nobody states are not shown: --all.")
    lines += [f"{each.outcome}: {each.name}: {each.why}" for each in found.refused]
    print_tables(_table(shown) if shown else "Nobody states anything: all is sent.", *lines)


def _link(tables: Tables, name: str | None) -> Link | None:
    if name is None:
        return None
    links = {each.name: each for each in tables.network.link}
    if name not in links:
        raise InputError(f"there is no link {name!r}, only {', '.join(links) or 'none at all'}")
    return links[name]


def _told(link: Link) -> str:
    match = link.match if isinstance(link.match, str) else ", ".join(link.match)
    price = f"{link.price_per_mb} a megabyte" if link.price_per_mb else "without a price"
    return f"On link {link.name} ({match}), {price}."


def _table(decisions: list[Decision]) -> Table:
    table = Table("constraint", "in force", "decided by", "asked", "why", title=None, expand=False)
    for each in decisions:
        asked = "\n".join(f"{one.party}: {_said(one.value)}" for one in each.asked)
        table.add_row(
            each.name, _said(each.value), each.by, asked, each.why, style=_STYLE[each.outcome] or None
        )
    return table


def _said(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (", ".join(value) or "-") if isinstance(value, tuple) else str(value)
