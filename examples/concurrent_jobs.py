"""Several jobs at a time: start them without waiting, then watch them all.

python concurrent_jobs.py abc123 def456 ghi789
python concurrent_jobs.py --url http://localhost:8000 --user anna --password … abc123 abc123
"""

import argparse
import sys
import time
from datetime import datetime

from private_service import Client, arguments, service

ENDED = ("completed", "failed", "cancelled")


def start(client: Client, videos: list[str], seconds: float) -> list[str]:
    """Start a job for every video and return their ids."""
    print("📤 Starting multiple jobs (NOT waiting for each to finish)...\n")
    began = time.monotonic()
    ids = []
    for number, video in enumerate(videos, 1):
        now = datetime.now().strftime("%H:%M:%S.%f")[:-3]
        print(f"[{now}] Starting Job {number} for video: {video}")
        status, said = client.ask(
            "POST",
            "/api/jobs",
            {"task": "compare", "args": {"video_id": video, "seconds": seconds}},
        )
        if status != 200:
            print(f"             ❌ Failed to create Job {number} ({status}): {said.get('detail')}")
            continue
        ids.append(said["job_id"])
        print(f"             ✅ Job {number} created: {said['job_id'][:8]}...")
    print(f"\n✨ All {len(ids)} jobs started in ~{time.monotonic() - began:.1f} seconds!\n")
    return ids


def watch(client: Client, ids: list[str], interval: float) -> list[str]:
    """Print how far all jobs are until the last has ended; returns how they ended."""
    print("📊 Monitoring all jobs simultaneously...")
    poll = 0
    while True:
        time.sleep(interval)
        poll += 1
        jobs = [client.get(f"/api/jobs/{id}") for id in ids]
        print(f"\n[Poll #{poll}] - {datetime.now():%H:%M:%S}")
        for number, job in enumerate(jobs, 1):
            short, percent = f"{job['job_id'][:8]}...", f"{job['progress']}%"
            message = (job["progress_message"] or "Processing")[:30]
            print(f"Job {number:>2}  {short:<11}  {job['status']:<11}  {percent:<7}  {message}")
        sys.stdout.flush()
        states = [job["status"] for job in jobs]
        if all(state in ENDED for state in states):
            return states


def main() -> int:
    """Start, watch, and say how it ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("videos", nargs="*", default=["abc123", "def456", "ghi789"])
    parser.add_argument("--interval", type=float, default=2, help="seconds between two polls")
    parser.add_argument("--seconds", type=float, default=6, help="how long a job takes")
    args = arguments(parser)
    with service(args) as client:
        ids = start(client, args.videos, args.seconds)
        states = watch(client, ids, args.interval) if ids else []
    if len(states) < len(args.videos) or set(states) != {"completed"}:
        print(f"\n❌ {states.count('completed')} of {len(args.videos)} jobs completed")
        return 1
    print(f"\n✅ All {len(states)} jobs completed!")
    print("\n💡 Key Insight: All jobs ran CONCURRENTLY, not sequentially!")
    return 0


if __name__ == "__main__":
    sys.exit(main())
