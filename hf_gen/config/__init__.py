"""The fields of a recipe: frozen dataclasses, each field a flag of `train_accelerate.py`.

The docstring of a field is its `--help`, on one line, since line breaks would be shown. Values are
checked when an instance is created. Nothing here imports torch, so that `--help` is fast.
"""

from hf_gen.config.data import Data as Data
from hf_gen.config.data import Domains as Domains
from hf_gen.config.data import Pairs as Pairs
from hf_gen.config.networks import AnyKLVAEConfig as AnyKLVAEConfig
from hf_gen.config.networks import AutoencoderKLConfig as AutoencoderKLConfig
from hf_gen.config.networks import AutoencoderTinyConfig as AutoencoderTinyConfig
from hf_gen.config.networks import ConvVAEConfig as ConvVAEConfig
from hf_gen.config.networks import CycleGANModel as CycleGANModel
from hf_gen.config.networks import DenseVAEConfig as DenseVAEConfig
from hf_gen.config.networks import PatchCycleGANConfig as PatchCycleGANConfig
from hf_gen.config.networks import PatchVAEConfig as PatchVAEConfig
from hf_gen.config.networks import ResnetCycleGANConfig as ResnetCycleGANConfig
from hf_gen.config.networks import VAEModel as VAEModel
from hf_gen.config.recipe import CycleGANRecipe as CycleGANRecipe
from hf_gen.config.recipe import Recipe as Recipe
from hf_gen.config.recipe import VAERecipe as VAERecipe
from hf_gen.config.recipe import recipe_as_json as recipe_as_json
from hf_gen.config.recipe import recipe_from_json as recipe_from_json
from hf_gen.config.recipe import with_absolute_paths as with_absolute_paths
from hf_gen.config.training import AdversarialLoss as AdversarialLoss
from hf_gen.config.training import AdversarialObjective as AdversarialObjective
from hf_gen.config.training import AdversarialTerm as AdversarialTerm
from hf_gen.config.training import Augmentation as Augmentation
from hf_gen.config.training import DiscriminatorOptimisation as DiscriminatorOptimisation
from hf_gen.config.training import Likelihood as Likelihood
from hf_gen.config.training import Objective as Objective
from hf_gen.config.training import Optimisation as Optimisation
from hf_gen.config.training import Output as Output
