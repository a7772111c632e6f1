"""Tasks and recipes with every kind of mistake, made from a seed: for tests that none of them ends in a traceback."""

from __future__ import annotations

from random import Random

from .files import files_and_folders, includes, yaml_files
from .keys import RECIPE_KEYS, TASK_KEYS, recipe_keys, task_keys
from .projects import Malformed, project
from .recipes import recipes
from .tasks import rows_of_types, tasks
from .templates import templates

__all__ = ["RECIPE_KEYS", "TASK_KEYS", "Malformed", "malformed_projects", "project"]


def malformed_projects(seed: int, model: str) -> list[Malformed]:
    """Projects in which something is wrong with the task or the recipe.

    Args:
        seed: The same seed gives the same projects.
        model: The model that their recipes name.
    """
    random = Random(seed)
    return [
        *yaml_files(model),
        *task_keys(random, model),
        *recipe_keys(random, model),
        *includes(model),
        *templates(random, model),
        *tasks(model),
        *rows_of_types(model),
        *recipes(model),
        *files_and_folders(model),
    ]
