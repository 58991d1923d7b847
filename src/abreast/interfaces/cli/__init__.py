"""The command line: ``abreast run``, ``abreast exec``, ``abreast demo``."""
