"""docs/cli.md: every command with its options, from the command line itself."""

from __future__ import annotations

from typing import Any

_INTRODUCTION = """# Commands

Generated from the program by `trialwise docs`; edit `src/trialwise/cli/`, not this page.
stdout carries data alone, messages go to stderr. Exit codes: 0 fine, 1 an error the user can mend (one line, then what
to do next), 2 wrong usage, 3 a check failed and the published results stay.
"""


def cli_markdown(command: Any) -> str:
    """The page for a click command with all its subcommands, in the order they are declared."""
    import click

    parts = [_INTRODUCTION]

    def visit(name: str, node: Any, parent: click.Context | None) -> None:
        context = click.Context(node, info_name=name, parent=parent)
        if parent is not None:
            parts.append(_section(context, node))
        for child_name, child in getattr(node, "commands", {}).items():
            visit(child_name, child, context)

    visit("trialwise", command, None)
    return "\n".join(parts)


def _section(context: Any, node: Any) -> str:
    lines = [f"## {context.command_path}", "", _plain(node.help).strip(), ""]
    arguments = [item for item in node.params if item.param_type_name == "argument"]
    options = [item for item in node.params if item.param_type_name == "option" and item.name != "help"]
    usage = " ".join([context.command_path, *(_shown(item) for item in arguments), *(["[OPTIONS]"] if options else [])])
    lines += [f"`{usage}`", ""]
    rows = [(_shown(item), _plain(getattr(item, "help", None))) for item in arguments]
    rows += [(", ".join([*item.opts, *item.secondary_opts]), _plain(item.help)) for item in options]
    if rows:
        lines += [
            "| | |",
            "|---|---|",
            *(f"| `{name}` | {text.replace('|', chr(92) + '|')} |" for name, text in rows),
            "",
        ]
    if node.epilog:
        examples = [line.strip() for line in node.epilog.splitlines()[1:] if line.strip()]
        lines += ["```sh", *examples, "```", ""]
    return "\n".join(lines)


def _shown(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _plain(text: str | None) -> str:
    """A help text without the mark that keeps the terminal from taking a [section] for a colour."""
    return (text or "").replace(chr(92) + "[", "[")
