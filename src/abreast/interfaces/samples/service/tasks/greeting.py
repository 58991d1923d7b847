"""A plain file: one function called run_task, started by hand or over HTTP."""


def run_task(config: dict[str, str]) -> dict[str, str]:
    """Greet whom the config names."""
    name = config.get("name", "world")
    print(f"Hello, {name}!")
    return {"greeted": name}
