"""RECIPES, which make everything that data/ ships: one module per world, each function a folder of data/."""
from utils.recipes import chains, distill, grammar, recall, rulebook, shapes_diffusion, shapes_vlm, sleep
from utils.recipes.registry import RECIPES, recipe

__all__ = ["RECIPES", "chains", "distill", "grammar", "recall", "recipe", "rulebook", "shapes_diffusion", "shapes_vlm", "sleep"]
