"""`python -m scanner` is the command `starttls`."""

from scanner.cli.main import main

if __name__ == "__main__":
    main()
