"""`hf-gen`, and `python -m hf_gen`."""

import signal
import sys

from hf_gen.interrupt import WORDS, exit_on_interrupt


def main() -> None:
    """The command line; Ctrl-C is one line and exit code 130."""
    exit_on_interrupt()
    from hf_gen import cli

    # From here on there are partial files to be removed.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cli.main()
    except KeyboardInterrupt:
        print(WORDS, file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
