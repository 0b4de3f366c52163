"""The command `completion`: the script by which a shell completes commands, options, choices and files."""

import click
from click.shell_completion import get_completion_class

from service.commands.shared.group import COMPLETION, PROGRAM, examples

SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    epilog=examples(
        [
            'eval "$(face-model completion bash)"                # in ~/.bashrc; 4.4 or newer',
            'eval "$(face-model completion zsh)"                 # in ~/.zshrc',
            "face-model completion fish > ~/.config/fish/completions/face-model.fish",
        ]
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print a shell's completion script.

    It completes `face-model` wherever it is called: from PATH or as ./face-model.
    """
    found = get_completion_class(shell)
    assert found is not None
    print(found(ctx.find_root().command, {}, PROGRAM, COMPLETION).source())
    return 0
