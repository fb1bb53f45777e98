"""The command `completion`: what makes a shell complete commands, options and names from the cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from typer import Argument, echo

EXAMPLES = ("completion bash > autotuner.bash", "completion zsh > _autotuner", "completion fish > autotuner.fish")

# All ask the hidden command for candidates: a line for each, and last a line that begins with a colon.
_SCRIPTS = {
    "bash": """\
_autotuner() {
    local IFS=$'\\n'
    COMPREPLY=($(autotuner __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | grep -v '^:'))
}
complete -o default -F _autotuner autotuner
""",
    "zsh": """\
#compdef autotuner
_autotuner() {
    local -a found
    found=("${(@f)$(autotuner __complete "${(@)words[2,CURRENT]}" 2>/dev/null | grep -v '^:')}")
    compadd -- "${found[@]}"
}
if [ "$funcstack[1]" = _autotuner ]; then _autotuner "$@"; else compdef _autotuner autotuner; fi
""",
    "fish": """\
function __autotuner_candidates
    set -l words (commandline -opc) (commandline -ct)
    autotuner __complete $words[2..] 2>/dev/null | string match -v ':*'
end
complete -c autotuner -f -a '(__autotuner_candidates)'
""",
    "kubectl": """\
#!/bin/sh
# Put this on PATH as kubectl_complete-autotuner: kubectl asks it for completions of the plugin.
exec kubectl-autotuner __complete "$@"
""",
}

_Shell = Annotated[Literal["bash", "zsh", "fish", "kubectl"], Argument(help="The shell, or kubectl for the plugin.")]


def run(shell: _Shell) -> None:
    """Print the completion script of a shell.

    bash: `source <(autotuner completion bash)`; zsh: a file `_autotuner` on fpath; fish: a file autotuner.fish in
    ~/.config/fish/completions; kubectl: a program kubectl_complete-autotuner on PATH.

    Exit code: 0 printed, 2 wrong usage.
    """
    echo(_SCRIPTS[shell], nl=False)
