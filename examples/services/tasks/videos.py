"""Pretend to ask models about videos, as jobs with progress."""

import time

from abreast import progress, task


@task
def compare(
    video_id: str, prompt: str = "Summary", models: list[str] | None = None, seconds: float = 6
) -> dict[str, object]:
    """Ask some models about one video."""
    models = models or ["model-a"]
    many = "1 model" if len(models) == 1 else f"{len(models)} models"
    progress(10, 100, "Starting comparison...")
    time.sleep(seconds / 10)
    progress(20, 100, f"Running {many}...")
    time.sleep(seconds * 6 / 10)
    progress(80, 100, "Evaluating results...")
    time.sleep(seconds * 3 / 10)
    progress(100, 100, "Comparison completed")
    return {"video_id": video_id, "answers": dict.fromkeys(models, f"{prompt} of {video_id}")}


@task
def analyse(video: str, prompt: str, model: str = "model-a", seconds: float = 1) -> str:
    """Ask one model about one video: a part of a batch."""
    time.sleep(seconds)
    return f"{model}: {prompt} of {video}"


@task
def evaluate(answers: list[str]) -> dict[str, object]:
    """Join what the models have said about one video."""
    return {"answers": answers, "best": max(answers, key=len)}
