"""Where the files are that come with Relay and are not Python: SQL, units, the example configuration."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """Return the path of a shipped file or folder, from the installed package or else from the checkout.

    Args:
        name: As seen from the top level of the project, such as "sql" or "systemd/relay.service".

    Raises:
        FileNotFoundError: Neither place has it: the installation is not complete.
    """
    places = (_PACKAGE / "shipped" / name, _PACKAGE.parent / name)
    for place in places:
        if place.exists():
            return place
    looked = " and ".join(str(place) for place in places)
    raise FileNotFoundError(f"{name} is missing (looked for {looked}); install Relay again")
