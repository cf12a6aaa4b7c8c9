"""What to run: yacs defaults, one YAML file per dataset and model."""

from configs.loading import default, load

__all__ = ["default", "load"]
