"""Different tasks run side by side, the same one runs once at a time.

python same_task.py
python same_task.py --url http://localhost:7000 --user anna --password …
"""

import argparse
import sys
import time

from private_service import Client, arguments, service

DIFFERENT = ("simple_2min_task", "quick_test_task")
SAME = "quick_test_task"


def run(client: Client, task_id: int, config: dict[str, float]) -> tuple[int, int | None]:
    """Start a task; returns the status and the id of the run."""
    status, said = client.ask("POST", f"/api/tasks/{task_id}/run", config)
    return status, said.get("task_run_id")


def follow(client: Client, runs: dict[str, tuple[int, int]], interval: float) -> bool:
    """Say when runs end, as they do. ``runs``: label to the ids of the task and of its run."""
    good = True
    while runs:
        time.sleep(interval)
        for label, (task_id, run_id) in list(runs.items()):
            history = client.get(f"/api/tasks/{task_id}/runs")["task_runs"]
            found = next(run for run in history if run["id"] == run_id)
            if found["status"] in ("pending", "running"):
                continue
            del runs[label]
            if found["status"] == "success":
                print(f"✅ {label}: Completed in {found['duration_seconds']:.2f}s", flush=True)
            else:
                good = False
                print(f"❌ {label}: {found['status']} - {found['error_message']}", flush=True)
    return good


def different(client: Client, ids: dict[str, int], scale: float, interval: float) -> bool:
    """Start different tasks; all of them run."""
    runs = {}
    for name, seconds in zip(DIFFERENT, (120, 30), strict=True):
        print(f"🚀 Starting {name} (Task ID: {ids[name]})")
        status, run_id = run(client, ids[name], {"seconds": seconds * scale})
        if run_id is None:
            print(f"❌ {name}: Failed ({status})")
            return False
        runs[name] = ids[name], run_id
    print()
    return follow(client, runs, interval)


def same(client: Client, task_id: int, count: int, scale: float, interval: float) -> bool:
    """Start one task several times; the first start runs, the others are refused."""
    runs = {}
    refused = []
    for number in range(1, count + 1):
        label = f"{SAME}-{number}"
        status, run_id = run(client, task_id, {"seconds": 30 * scale})
        said = "✅ Started" if run_id is not None else f"❌ Failed ({status})"
        print(f"🚀 Starting {label} (Task ID: {task_id}) {said}", flush=True)
        if run_id is None:
            refused.append(status)
        else:
            runs[label] = task_id, run_id
    print()
    right = len(runs) == 1 and refused == [400] * (count - 1)
    return follow(client, runs, interval) and right


def main() -> int:
    """Both, one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.1, help="1: tasks of 120 and 30 seconds")
    parser.add_argument("--interval", type=float, default=0.5, help="seconds between two polls")
    parser.add_argument("--count", type=int, default=3, help="how often the same task is started")
    args = arguments(parser)
    with service(args) as client:
        ids = {task["name"]: task["id"] for task in client.get("/api/tasks/")["tasks"]}
        missing = [name for name in DIFFERENT if name not in ids]
        if missing:
            print(f"❌ The service has no task {missing[0]}; serve the folder examples/services")
            return 1
        good = different(client, ids, args.scale, args.interval)
        print()
        good = same(client, ids[SAME], args.count, args.scale, args.interval) and good
    print("\n🔒 The same task never ran twice at a time." if good else "\n❌ That went wrong.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
