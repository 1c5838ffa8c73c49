"""`mirage cloud ca …`: a certificate authority in a folder."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="A certificate authority in a folder, for development or a small fleet.",
    no_args_is_help=True,
    add_completion=False,
)

Ca = Annotated[Path, typer.Option("--ca", metavar="FOLDER", help="What `mirage cloud ca new` made.")]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="PREFIX", help="Writes PREFIX.pem, and PREFIX.key with mode 0600."
    ),
]
Days = Annotated[int, typer.Option(min=1, help="How long it is valid.")]


@app.command(epilog="Example: mirage cloud ca new -o pki")
def new(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where it goes.")],
    name: Annotated[str, typer.Option(help="Its common name.")] = "Mirage authority",
    days: Days = 3650,
) -> None:
    """Make an authority: ca.pem, ca.key, and an empty list of revocations, crl.pem."""
    from mirage import authority as command

    command.new(output, name, days)


@app.command(epilog="Example: mirage cloud ca server --ca pki -o pki/server broker.example 192.0.2.7")
def server(
    hosts: Annotated[list[str], typer.Argument(metavar="HOST...", help="Names and addresses of the broker.")],
    ca: Ca,
    output: Output,
    days: Days = 825,
) -> None:
    """Certify a broker."""
    from mirage import authority as command

    command.issue_server(ca, output, hosts, days)


@app.command(epilog="Example: mirage cloud ca client --ca pki -o cloud/client cloud.main")
def client(
    user: Annotated[
        str, typer.Argument(metavar="USER", help="cloud.NAME, subscriber.NAME, bridge.NAME or monitor.NAME.")
    ],
    ca: Ca,
    output: Output,
    days: Days = 825,
) -> None:
    """Certify a role of the access list."""
    from mirage import authority as command

    command.issue_client(ca, output, user, days)


@app.command(epilog="Example: mirage cloud ca signer --ca pki -o cloud/c2pa 'Acme Video'")
def signer(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whom a reader is shown as the signer.")],
    ca: Ca,
    output: Output,
    days: Days = 365,
) -> None:
    """Certify who signs C2PA manifests: for development, since no public list of trust has your authority."""
    from mirage import authority as command

    command.issue_signer(ca, output, name, days)


@app.command(epilog="Example: mirage cloud ca device --ca pki -o edge-1/device acme/north/edge-1")
def device(
    name: Annotated[str, typer.Argument(metavar="TENANT/SITE/DEVICE")],
    ca: Ca,
    output: Output,
    request: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csr", help="Certify the key that signed this; without it, make one."),
    ] = None,
    days: Days = 365,
) -> None:
    """Certify a device. It may speak once it is enrolled: mirage cloud enrol."""
    from mirage import authority as command

    command.issue_device(ca, output, name, request, days)


@app.command(epilog="Example: mirage cloud ca revoke --ca pki edge-1")
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A device's id, or a role's user.")], ca: Ca
) -> None:
    """Revoke all certificates of a name that were issued so far."""
    from mirage import authority as command

    command.revoke(ca, name)
