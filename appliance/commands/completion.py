"""The command line becomes a shell's completion script, which asks `hipbar` itself for the words that fit.

Commands, options, choices, setting keys and files complete. The package installs the script for bash.
"""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_HIPBAR_COMPLETE"
"""What the script puts into the environment of `hipbar` when it asks for words: click's own name for it."""


@click.command(name="completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that completes hipbar's words when Tab is pressed, for SHELL.

    The Debian package has installed it for bash. Elsewhere, once:

    \b
    Examples:
      hipbar completion bash > ~/.local/share/bash-completion/completions/hipbar
      hipbar completion zsh > ~/.zfunc/_hipbar
      hipbar completion fish > ~/.config/fish/completions/hipbar.fish
    """
    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    if kind is None:  # click of another time
        raise click.UsageError(f"no completion for {shell}")
    script = kind(root, {}, "hipbar", VARIABLE)
    click.echo(ShellComplete.source(script), nl=False)  # bash's own way first asks a bash for its version
