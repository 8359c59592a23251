"""Runs a command and writes the most memory that it had resident, in KiB, to a file: FILE COMMAND ARGUMENT..."""

import resource
import subprocess
import sys

done = subprocess.run(sys.argv[2:], check=False)
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(done.returncode)
