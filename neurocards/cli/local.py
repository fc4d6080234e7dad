"""`demo` and `dev`: the product on this machine, with stand-ins for the vendors."""

from pathlib import Path
from typing import Annotated

import typer

cli = typer.Typer()


@cli.command()
def demo(
    photo: Annotated[Path | None, typer.Option(help="a product photo of your own", exists=True, dir_okay=False)] = None,
    text: Annotated[str | None, typer.Option(help="what the product is")] = None,
) -> None:
    """Play one customer from /start to the finished video, on real parts. The last line is the video's path."""
    # Development packages: a production installation has none of them.
    from sandbox import demo as play  # noqa: PLC0415

    raise typer.Exit(play.run(photo, text))


@cli.command()
def dev(port: Annotated[int, typer.Option(help="the chat page's port")] = 9101) -> None:
    """Start everything and stay up, with a chat page in the browser in place of Telegram."""
    from sandbox import dev as local  # noqa: PLC0415  as above

    raise typer.Exit(local.run(port))
