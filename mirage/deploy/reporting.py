"""Plans as tables and JSON."""

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mirage.deploy.plan import DevicePlan, Plan


def lines_of(plan: Plan) -> list[RenderableType]:
    """Lay a plan out for a person."""
    table = Table(box=box.SIMPLE, title=f"{plan.fleet}: release {plan.release}", title_justify="left")
    for column in ("wave", "device", "board", "platform", "cameras", "state"):
        table.add_column(column)
    for device in plan.devices:
        state = "ready" if not device.problems else f"{len(device.problems)} missing"
        table.add_row(
            device.wave, device.place, device.board, device.platform, ", ".join(device.cameras), state
        )
    parts: list[RenderableType] = [table]
    for device in plan.devices:
        parts += _device_lines(device)
    parts += [Text(f"! {problem}") for problem in plan.problems]
    parts += [Text(f"note: {note}") for note in plan.notes]
    return parts


def _device_lines(device: DevicePlan) -> list[RenderableType]:
    steps = [Text(f"  {index}. {step}") for index, step in enumerate(device.steps, 1)]
    return [Text(device.device), *steps, *(Text(f"  ! {problem}") for problem in device.problems)]
