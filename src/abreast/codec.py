"""Values to bytes and back, for the way between our own processes.

Plain pickle where it will do. What it cannot name from another process (lambdas, closures,
anything defined in ``__main__``) travels by value through cloudpickle, which is imported only
then. Bytes from elsewhere must never be read with this.
"""

from __future__ import annotations

import pickle
from typing import Any

_plain = pickle.dumps
_MAIN = b"__main__"

loads = pickle.loads


def dumps(value: Any) -> bytes:
    """Pickle a value for another process of ours.

    Raises whatever the last resort, cloudpickle, raises: ``pickle.PicklingError``, ``TypeError``
    and others, depending on the value.
    """
    try:
        data = _plain(value, 5)
    except Exception:
        return _by_value(value)
    # The other process has another __main__, so nothing in it may travel by name. Finding the
    # word in mere data does no harm: cloudpickle writes plain values just as pickle does.
    return _by_value(value) if _MAIN in data else data


def _by_value(value: Any) -> bytes:
    import cloudpickle

    data: bytes = cloudpickle.dumps(value, 5)
    return data


def why_not(value: Any) -> BaseException | None:
    """Return the error that pickling ``value`` meets, or None if it can be pickled."""
    try:
        dumps(value)
    except BaseException as error:
        return error
    return None
