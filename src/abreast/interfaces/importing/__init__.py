"""From the schedules of other programs to an ``abreast.toml``, and what could not be kept."""
