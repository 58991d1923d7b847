# From the README of Concurra; only the import line is changed.
# ruff: noqa: E501, I001
# fmt: off
import time
import abreast.compat.concurra as concurra

def fetch_user_data():
    time.sleep(1)  # the task sleeps
    return "user_data.csv"

def clean_data(file_name):
    time.sleep(1)  # the task sleeps
    return f"cleaned_{file_name}"

def transform_data(cleaned_file):
    time.sleep(1)  # the task sleeps
    return f"transformed_{cleaned_file}"

def train_model(transformed_file):
    time.sleep(2)  # the task sleeps
    return f"model_trained_on_{transformed_file}"

def fetch_logs():
    time.sleep(1)  # the task sleeps
    return "raw_logs.txt"

def parse_logs(log_file):
    time.sleep(1)  # the task sleeps
    return f"parsed_{log_file}"

def analyze_logs(parsed_file):
    time.sleep(2)  # the task sleeps
    return f"analysis_result_{parsed_file}"

def task_A():
    time.sleep(0.5)  # the task sleeps
    return "Task A"

def task_B():
    time.sleep(0.5)  # the task sleeps
    return "Task B"

def generate_report(processed_file):
    return f"Report: {processed_file})"

runner = concurra.TaskRunner(max_concurrency=3)

# Independent tasks
runner.add_task(task_A, label="task_A")
runner.add_task(task_B, label="task_B")

# Chain 1: User data pipeline
runner.add_task(fetch_user_data, label="fetch_data")
runner.add_task(clean_data, "user_data.csv", label="clean", depends_on=["fetch_data"])
runner.add_task(transform_data, "cleaned_user_data.csv", label="transform", depends_on=["clean"])
runner.add_task(train_model, "transformed_cleaned_user_data.csv", label="train", depends_on=["transform"])

# Chain 2: Log analysis pipeline
runner.add_task(fetch_logs, label="fetch_logs")
runner.add_task(parse_logs, "raw_logs.txt", label="parse_logs", depends_on=["fetch_logs"])
runner.add_task(analyze_logs, "parsed_raw_logs.txt", label="analyze_logs", depends_on=["parse_logs"])

# Task with multiple dependencies
runner.add_task(generate_report, "report.txt", label="generate_report", depends_on=["analyze_logs", "train"])

results = runner.run()

print("✅ Results Summary:")
for label, info in results.items():
    print(f"{label}: {info['status']} → {info['result']}")
