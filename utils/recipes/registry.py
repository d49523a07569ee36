"""The registry that the recipes of this package enter themselves in."""
RECIPES = {}  # name -> function(folder) that fills an empty folder, which becomes data/<name>; in the order they are built


def recipe(make):
    """Decorator: register `make(folder)` as the recipe of the folder of data/ that has the function's name."""
    RECIPES[make.__name__] = make
    return make
