"""The rules: pure functions and plain values, no clock, no threads, no input or output."""
