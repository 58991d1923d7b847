"""Names for tasks that have none: what a command line is about."""

from __future__ import annotations

import os
import re
import shlex

_RUNNERS = re.compile(
    r"(python|pypy)[\d.]*|(ba|da|z|k|fi)?sh|perl|ruby|node|php[\d.]*|java|Rscript"
)
_COMMAND_NEXT = frozenset({"manage", "artisan", "console"})  # what they do is their next word
_STEPS = frozenset(
    {"cd", "export", "source", ".", "set", "umask", "sleep", "true", ":", "ulimit", "[", "test",
     "fi", "for", "done", "}"}
)  # fmt: skip
_OPENERS = frozenset({"if", "then", "else", "while", "do", "!", "{"})
# Programs that execute another one, and how many words of their own stand before it.
_BEFORE = {"nice": 0, "ionice": 0, "chronic": 0, "time": 0, "exec": 0, "nohup": 0, "sudo": 0,
           "env": 0, "flock": 1, "timeout": 1, "stdbuf": 0, "setsid": 0, "command": 0,
           "cronic": 0, "systemd-cat": 0}  # fmt: skip
_WITH_VALUE = {"nice": "n", "ionice": "nc", "sudo": "ugh", "env": "uC", "flock": "wE",
               "timeout": "ks", "stdbuf": "ioe", "systemd-cat": "tp"}  # fmt: skip
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")
_LONGEST = 40


def name_of(command: str) -> str:
    """A short name for a command: its program's, or that of the script it executes."""
    for words in _steps(command):
        found = _of_step(words)
        if found:
            return found
    return "task"


def _steps(command: str) -> list[list[str]]:
    """The words of every command in a line for the shell."""
    lexer = shlex.shlex(command.replace("\n", ";"), posix=True, punctuation_chars=True)
    lexer.commenters = ""
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # an open quote
        words = command.split()
    steps: list[list[str]] = [[]]
    for word in words:
        if word and not word.strip(";&|()"):
            steps.append([])
        else:
            steps[-1].append(word)
    return steps


def _of_step(words: list[str]) -> str:
    while words and (_VARIABLE.match(words[0]) or words[0] in _OPENERS):
        words = words[1:]
    if not words or words[0] in _STEPS:
        return ""
    program = os.path.basename(words[0])
    if program in _BEFORE:
        return _of_other(program, words[1:]) or _plain(program)
    if program == "run-parts" and len(words) > 1:
        return _plain(os.path.basename(words[-1].rstrip("/")))
    if _RUNNERS.fullmatch(program):
        return _script(words[1:]) or _plain(program)
    return _plain(_next(program, words[1:]))


def _next(program: str, words: list[str]) -> str:
    """The word that says what a program does: its name, or that of its command."""
    if _plain(program) in _COMMAND_NEXT and words and not words[0].startswith("-"):
        return words[0]
    return program


def _of_other(program: str, words: list[str]) -> str:
    """The name of what a program such as ``nice`` or ``flock`` executes."""
    while words and words[0].startswith("-"):
        option, words = words[0], words[1:]
        if option[1:] in (*_WITH_VALUE.get(program, ""),) and words:
            words = words[1:]
    words = words[_BEFORE[program] :]
    if words[:1] == ["-c"] and len(words) > 1:
        return name_of(words[1])
    return _of_step(words)


def _script(words: list[str]) -> str:
    """The name of the script or module that an interpreter executes."""
    for at, word in enumerate(words):
        after = words[at + 1] if at + 1 < len(words) else ""
        if word == "-m":
            return _plain(after.rpartition(".")[2])
        if word in ("-c", "-lc"):
            found = name_of(after)
            return "" if found == "task" else found
        if word in ("-e", "-r"):
            return ""
        if not word.startswith("-"):
            return _plain(_next(os.path.basename(word), words[at + 1 :]))
    return ""


def _plain(word: str) -> str:
    stem = re.sub(r"\.(py|sh|bash|pl|rb|js|php|jar|R|exe)$", "", word)
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-.")[:_LONGEST]


class Names:
    """Hands out names, each once: the second one is ``NAME-2``."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def free(self, wanted: str) -> str:
        """The wanted name, or one with a number that nobody has."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}-{number}"
        self._taken.add(name)
        return name
