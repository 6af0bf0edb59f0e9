"""What PID 1 of a machine does: keeps programs running, and reaps whatever is orphaned."""
import os
import subprocess
import time

_RESTART_SECONDS = 1


class Supervisor:
    """Output of each program goes to log/LABEL.log below the working folder."""

    def __init__(self):
        self._programs, self._running = {}, {}

    def keep(self, label, argv):
        """Starts the program, and again whenever it ends. A kubelet that finds no API server ends, for one: so it waits for it."""
        self._programs[label] = [str(word) for word in argv]
        self._start(label)

    def run(self):
        while True:
            pid, status = os.wait()
            label = self._running.pop(pid, None)
            if label:
                print(f"{time.strftime('%T')} {label} ended with status {os.waitstatus_to_exitcode(status)}, starting it again", flush=True)
                time.sleep(_RESTART_SECONDS)
                self._start(label)

    def _start(self, label):
        with open(f"log/{label}.log", "ab") as log:
            process = subprocess.Popen(self._programs[label], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        process.returncode = 0  # run() reaps it, not Popen
        self._running[process.pid] = label
