"""What to run: yacs defaults, one YAML file per dataset and model."""

from configs.loading import changed, default, load

__all__ = ["changed", "default", "load"]
