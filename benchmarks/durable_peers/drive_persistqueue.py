"""persist-queue: settings kind (ack or batch), threads (ack), batch (runs acknowledged at once).

It has no worker: threads that take and acknowledge, as its pages show it. Another process's puts
wake nobody, so that an empty queue is asked again after a millisecond.
"""

from __future__ import annotations

import threading
import time

import race
from persistqueue import SQLiteAckQueue, SQLiteQueue
from persistqueue.exceptions import Empty

count, folder, options = race.settings()
if options["kind"] == "ack":
    queue = SQLiteAckQueue(folder, multithreading=True, timeout=30)
else:
    queue = SQLiteQueue(folder, multithreading=True, auto_commit=False, timeout=30)


def submit(runs: int) -> None:
    for number in range(runs):
        queue.put(number)


def take_and_acknowledge(ran) -> None:
    while True:
        try:
            item = queue.get(block=False, raw=True)
        except Empty:
            time.sleep(0.001)
            continue
        queue.ack(id=item["pqid"])
        ran()


def take_batches(ran) -> None:
    while True:
        done = 0
        try:
            for _ in range(options["batch"]):
                queue.get(block=False)
                done += 1
        except Empty:
            pass
        if done:
            queue.task_done()
            for _ in range(done):
                ran()
        else:
            time.sleep(0.001)


if race.is_worker():
    ran = race.counter()
    work = take_and_acknowledge if options["kind"] == "ack" else take_batches
    for _ in range(options["threads"] - 1):
        threading.Thread(target=work, args=[ran], daemon=True).start()
    work(ran)
else:
    race.race(count, race.worker_command(), submit)
