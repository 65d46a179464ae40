"""Run `python -m colles`."""

from colles.cli.app import main

if __name__ == "__main__":
    main()
