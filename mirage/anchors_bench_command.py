"""The options of `mirage bench anchors`."""

from pathlib import Path
from typing import Annotated

import typer


def anchors(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Of a camera that stands still, some 15 s.")],
    *,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder with bundle.toml.", show_default="models/tiny")
    ] = None,
    long_side: Annotated[int, typer.Option(min=64, max=4096, help="Longer side of the clips.")] = 512,
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where pictures of it go.", show_default="nowhere")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """How like the source reconstructions are, with and without a picture of the place."""
    from mirage.bench.anchors import run
    from mirage.bench.report import print_report

    print_report(run(video, bundle, long_side, pictures), as_json=json)
