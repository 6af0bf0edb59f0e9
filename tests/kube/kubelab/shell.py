"""Commands that must succeed, and words for the person who waits."""
import os
import subprocess
import sys


class Failed(Exception):
    """Something went wrong that the user can read about in one sentence."""


class Missing(Failed):
    """This machine lacks what is needed: each argument is a sentence that says what, and how to get it."""

    def __str__(self):
        return "\n".join(self.args)


def say(*words):
    print("kubelab:", *words, flush=True)


def run(*argv, stdin=None, env=None, cwd=None):
    """What the command printed; Failed when its status is not 0."""
    result = subprocess.run([str(word) for word in argv], input=stdin, text=True, capture_output=True, cwd=cwd,
                            env={**os.environ, **env} if env else None)
    if result.returncode:
        said = result.stderr.strip() or result.stdout.strip()
        raise Failed(f"{' '.join(map(str, argv))}: status {result.returncode}: {said[-2000:]}")
    return result.stdout


def become(argv, env=None):
    """Replaces this process: a wrapper left in between would survive, or hold a pipe open, when its PID is killed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(str(argv[0]), [str(word) for word in argv], {**os.environ, **(env or {})})
