"""`mirage edge …`: the device agent."""

import typer

app = typer.Typer(help="The agent that runs on a device.", no_args_is_help=True)
