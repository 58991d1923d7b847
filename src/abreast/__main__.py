"""``python -m abreast`` is the same program as ``abreast``."""

from .interfaces.cli.main import main

if __name__ == "__main__":
    main()
