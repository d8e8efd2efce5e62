"""Start several processes of `train.py` on this machine, watch them, and stop all of them when one ends badly.

python examples/distributed/launch.py --processes 2 [--resume] [options of train.py]
"""

import argparse
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

TRAIN = Path(__file__).parent / "train.py"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def watch(children):
    """Wait for all; the rank and status of the first that ends badly, or None."""
    while True:
        status = [child.poll() for child in children]
        for rank, code in enumerate(status):
            if code not in (None, 0):
                return rank, code
        if None not in status:
            return None
        time.sleep(0.1)


def stop(children):
    for child in children:
        if child.poll() is None:
            child.kill()  # JAX would wait for the one that is gone; checkpoints are whole at any moment
        child.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    given, rest = parser.parse_known_args()
    shared = [
        sys.executable,
        str(TRAIN),
        "--coordinator",
        f"127.0.0.1:{free_port()}",
        "--processes",
        str(given.processes),
    ]
    children = [subprocess.Popen([*shared, "--rank", str(rank), *rest]) for rank in range(given.processes)]
    for rank, child in enumerate(children):
        print(f"rank {rank}: process {child.pid}", flush=True)
    try:
        failed = watch(children)
    finally:
        stop(children)
    if failed:
        rank, code = failed
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        sys.exit(f"rank {rank} {how}; the others were stopped. Go on from the last checkpoint with --resume.")


if __name__ == "__main__":
    main()
