"""From decoded pixels to tensors: one transform for training, one for everything else."""

from datasets.transforms.inference import InferenceTransform
from datasets.transforms.normalise import Normaliser, normalise
from datasets.transforms.training import TrainingTransform

__all__ = ["InferenceTransform", "Normaliser", "TrainingTransform", "normalise"]
