"""Options that several commands have, with one meaning and one help."""

from __future__ import annotations

from typing import Annotated, Literal

from typer import Argument, Option

Namespace = Annotated[str, Option("--namespace", "-n", help="Where to look; none: the kubeconfig's namespace.")]
Everywhere = Annotated[bool, Option("--all-namespaces", "-A", help="Look in all namespaces.")]
Context = Annotated[str, Option("--context", metavar="NAME", help="Of the kubeconfig; none: the current one.")]
Kubeconfig = Annotated[str, Option("--kubeconfig", metavar="FILE", help="None: KUBECONFIG, or ~/.kube/config.")]
Format = Annotated[
    Literal["text", "json", "yaml", "name"],
    Option("--output", "-o", help="Lines for people, JSON or YAML by docs/output.schema.json, or names alone."),
]
Document = Annotated[
    Literal["text", "json", "yaml"], Option("--output", "-o", help="For people, or as docs/output.schema.json says.")
]
NoHeaders = Annotated[bool, Option("--no-headers", help="Leave out the heads of the columns.")]
Task = Annotated[str, Argument(metavar="TASK", help="The name of a TuningTask.")]
TaskOrExperiment = Annotated[str, Argument(metavar="NAME", help="A TuningTask or a TuningExperiment.")]
Yes = Annotated[bool, Option("--yes", "-y", help="Ask nothing.")]
