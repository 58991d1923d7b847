"""``abreast serve``: the API, the schedules and a worker in one process."""
