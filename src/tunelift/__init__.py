"""tunelift: instruction tuning that proves its lift.

The public API is small: `load_task`, `load_model`, `tune`, `evaluate`, `compare` and `run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["UserError", "compare", "evaluate", "load_model", "load_task", "run", "tune"]

if TYPE_CHECKING:
    from tunelift.api import compare, evaluate, load_model, load_task, run, tune
    from tunelift.core.errors import UserError


def __getattr__(name: str) -> Any:
    """Load the API when it is first used, so that importing the package stays instant."""
    if name == "UserError":
        from tunelift.core.errors import UserError

        return UserError
    if name in __all__:
        from tunelift import api

        return getattr(api, name)
    raise AttributeError(f"module 'tunelift' has no attribute {name!r}")
