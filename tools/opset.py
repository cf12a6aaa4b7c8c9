"""`rtseg-qat opset`."""

from qat.cli.main import script

if __name__ == "__main__":
    script("opset")
