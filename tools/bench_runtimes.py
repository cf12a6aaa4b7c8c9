"""`rtseg-qat bench-runtimes`."""

from qat.cli.main import script

if __name__ == "__main__":
    script("bench-runtimes")
