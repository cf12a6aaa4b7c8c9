"""`python -m qat.cli`, for torchrun and where no script is installed."""

from qat.cli.entry import script

if __name__ == "__main__":
    script()
