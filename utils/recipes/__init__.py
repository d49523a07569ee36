"""RECIPES, which make everything that data/ ships: one module per world, each function a folder of data/."""
from utils.recipes import chains, sleep
from utils.recipes.registry import RECIPES, recipe

__all__ = ["RECIPES", "chains", "recipe", "sleep"]
