"""`python -m scanner`, and the command `starttls`.

Touches: what the commands touch.
"""

import sys

from scanner.cli.main import run_command


def main() -> None:
    """Run the command line and leave with its exit code (docs/record.md)."""
    sys.exit(run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
