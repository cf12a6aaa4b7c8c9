"""From decoded pixels to tensors: one transform for training, one for everything else."""

from qat.data.transforms.inference import InferenceTransform
from qat.data.transforms.normalise import Normaliser, normalise
from qat.data.transforms.training import TrainingTransform

__all__ = ["InferenceTransform", "Normaliser", "TrainingTransform", "normalise"]
