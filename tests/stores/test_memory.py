"""The memory store passes the suite every store has to pass."""

from abreast.stores.memory import MemoryStore
from abreast.testing.store_suite import StoreSuite


class TestMemoryStore(StoreSuite):
    def make_store(self, random):
        return MemoryStore(random)
