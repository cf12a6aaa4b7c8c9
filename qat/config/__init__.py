"""What to run: yacs defaults, one YAML file per dataset and model."""

from qat.config.checks import CHOICES
from qat.config.loading import default_config, load_config, with_values

__all__ = ["CHOICES", "default_config", "load_config", "with_values"]
