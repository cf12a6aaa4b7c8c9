"""The config of a run: yacs defaults, one YAML file per data set and model, KEY VALUE pairs."""

from qat.config.checks import CHOICES
from qat.config.loading import default_config, load_config, with_values

__all__ = ["CHOICES", "default_config", "load_config", "with_values"]
