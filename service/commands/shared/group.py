"""A group of commands, each imported when it is called: the start of one takes no time for the others."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from click.shell_completion import CompletionItem

PROGRAM = "face-model"
COMPLETION = "_FACE_MODEL_COMPLETE"
"""Environment variable by which a shell's completion script asks for completions."""


@dataclass(frozen=True)
class Entry:
    """A command of a LazyGroup."""

    module: str
    help: str
    """The first line of the command's help, for the list of the group."""
    attribute: str = "command"
    """Attribute of the module that is the command."""


class LazyGroup(click.Group):
    """A group whose commands are listed in sections, and imported only to run, to complete or to explain one.

    Args:
        sections: titles of the sections, with their commands by name.
        title: first line of the help.
    """

    def __init__(self, sections: Mapping[str, Mapping[str, Entry]], title: str, epilog: str) -> None:
        super().__init__(
            help=title,
            epilog=epilog,
            params=[
                click.Option(
                    ["--version"],
                    is_flag=True,
                    is_eager=True,
                    expose_value=False,
                    callback=_version,
                    help="Show the version and exit.",
                )
            ],
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        )
        self.sections = sections
        self.entries = {name: entry for section in sections.values() for name, entry in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.entries:
            return None
        entry = self.entries[cmd_name]
        found = getattr(importlib.import_module(entry.module), entry.attribute)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.entries and not name.startswith("-") and not ctx.resilient_parsing:
            close = difflib.get_close_matches(name, self.entries, n=1)
            raise click.UsageError(
                f"No such command {name!r}." + (f" Did you mean {close[0]!r}?" if close else ""), ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.entries))
        for title, entries in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), entry.help) for name, entry in entries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=entry.help)
            for name, entry in self.entries.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from service.versions import own_version

        click.echo(own_version())
        ctx.exit()


def examples(lines: Sequence[str]) -> str:
    """The end of a command's help: command lines, printed as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
