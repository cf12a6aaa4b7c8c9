"""`rtseg-qat j5-perf`."""

from qat.cli.main import script

if __name__ == "__main__":
    script("j5-perf")
