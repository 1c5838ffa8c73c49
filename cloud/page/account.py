"""Who is logged in, and the way out. A machine that is open has neither."""

from pathlib import Path

from nicegui import ui

from cloud.access.declare import caller_of

_WATCH = Path(__file__).parent / "account.js"


def account() -> None:
    """Show it in the head of the page that is being built."""
    caller = caller_of(ui.context.client.request)
    if caller.token_id is None:
        return
    ui.add_head_html(f"<script>{_WATCH.read_text()}</script>")
    where = caller.scope.path or "the whole fleet"
    with ui.element("form").classes("account").props('method="post" action="/logout"'):
        ui.label(caller.name).classes("account-name").tooltip(f"{caller.role.label} of {where}")
        with ui.element("button").classes("log-out").props('type="submit"'):
            ui.label("Log out")
