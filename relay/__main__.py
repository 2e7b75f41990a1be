"""The entry of the command line: which commands there are, each imported only when it runs."""

import sys
from typing import Any

import click

from relay import __version__
from relay.cli.lazy import LazyCommand, LazyGroup

COMMANDS = {
    "run": LazyCommand(target="relay.cli.run:run", summary="Run the relay: the daemon."),
    "demo": LazyCommand(target="relay.cli.demo:demo", summary="Show everything at work, and prove it."),
    "bench": LazyCommand(
        target="relay.cli.bench:bench", summary="Measure how fast the relay is on this machine."
    ),
    "migrate": LazyCommand(
        target="relay.cli.migrate:migrate", summary="Bring the database's schema up to date."
    ),
    "config": LazyCommand(target="relay.cli.config:config", summary="Check and show the configuration."),
    "endpoint": LazyCommand(target="relay.cli.endpoint:endpoint", summary="Manage where events go."),
    "event": LazyCommand(
        target="relay.cli.event:event", summary="Publish, look up, cancel and expunge events."
    ),
    "delivery": LazyCommand(
        target="relay.cli.delivery:delivery", summary="Find, retry, discard and follow deliveries."
    ),
    "replay": LazyCommand(
        target="relay.cli.replay:replay", summary="Send events again, or what an endpoint never had."
    ),
    "operation": LazyCommand(
        target="relay.cli.operation:operation", summary="Follow and cancel changes of many deliveries."
    ),
    "pause": LazyCommand(target="relay.cli.sending:pause", summary="Stop sending, until `relay resume`."),
    "resume": LazyCommand(target="relay.cli.sending:resume", summary="Go on sending after `relay pause`."),
    "stats": LazyCommand(target="relay.cli.stats:stats", summary="Show what waits, and how it goes."),
    "top": LazyCommand(target="relay.cli.top:top", summary="Watch what goes on, endpoint by endpoint."),
    "doctor": LazyCommand(
        target="relay.cli.doctor:doctor", summary="Look whether the database is as Relay needs it."
    ),
    "health": LazyCommand(target="relay.cli.health:health", summary="Ask the running relay how it is."),
    "listen": LazyCommand(
        target="relay.cli.listen:listen", summary="Receive webhooks here: verify and print them."
    ),
    "verify": LazyCommand(target="relay.cli.verify:verify", summary="Check one request's signature."),
    "token": LazyCommand(
        target="relay.cli.token:token", summary="Make and revoke tokens for the panel and its API."
    ),
    "systemd": LazyCommand(target="relay.cli.systemd:systemd", summary="Print or install the systemd units."),
    "embedded": LazyCommand(
        target="relay.cli.embedded:embedded", summary="Work with the embedded PostgreSQL."
    ),
    "secrets": LazyCommand(
        target="relay.cli.secrets:secrets", summary="Make master keys, and seal secrets with them."
    ),
}


class Root(LazyGroup):
    """The root of the commands, with the border at which exceptions become messages and exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end with a message and an exit code where it fails in a foreseen way."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (Exception, KeyboardInterrupt) as error:
            from relay.cli.errors import conclude  # noqa: PLC0415 - imports the database driver

            code = conclude(error)
            if code is None:
                raise
            ctx.exit(code)


@click.group(
    cls=Root,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Completion: put this into ~/.bashrc: "
    'eval "$(_RELAY_COMPLETE=bash_source relay)" (zsh_source and fish_source likewise).',
)
@click.version_option(__version__, prog_name="relay")
def relay() -> None:
    """Deliver committed events as signed webhooks.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 needs action first (pending migrations),
    69 database unreachable, 78 configuration.
    """


def main() -> None:
    """Run the command line and exit."""
    sys.exit(relay.main(prog_name="relay"))


if __name__ == "__main__":
    main()
