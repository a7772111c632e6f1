"""What this machine has and what is installed; and installing what is bundled."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from tunelift.core import hardware
from tunelift.core.cache import cache_folder
from tunelift.core.errors import UserError, nearest
from tunelift.data.bundled import PACKAGES
from tunelift.models.bundled import MODELS

LIBRARIES = ("torch", "transformers", "peft", "accelerate", "datasets", "fastapi")


def examine() -> dict[str, str]:
    """Facts about the machine and the installation, in words."""
    machine = hardware.describe()
    findings = {
        "device": f"{machine['device']}: {machine['name']}, {machine['cores']} cores",
        "fast precision": machine["precision"],
        "cache": str(cache_folder()),
    }
    for library in LIBRARIES:
        try:
            findings[library] = version(library)
        except PackageNotFoundError:
            findings[library] = "not installed"
    for name, model in MODELS.items():
        installed = all(find_spec(module) for module, _ in model.parts)
        findings[name] = "installed" if installed else f"not installed (tunelift doctor --install {name})"
    for name, (module, _) in PACKAGES.items():
        findings[name] = "installed" if find_spec(module) else f"not installed (tunelift doctor --install {name})"
    return findings


def install(name: str, accept_terms: bool) -> None:
    """Install what carries a bundled model or data set.

    Args:
        name: Its name, or "bundled" for all that are free to use.
        accept_terms: The user accepts the terms of a model that has such.

    Raises:
        UserError: There is no such name, its terms are not accepted, or pip fails.
    """
    packages = {name: model.install for name, model in MODELS.items()} | {
        key: args for key, (_, args) in PACKAGES.items()
    }
    if name == "bundled":
        names = [key for key in packages if key not in MODELS or not MODELS[key].terms]
    elif name in packages:
        names = [name]
    else:
        raise UserError(name, "is not bundled", nearest(name, [*packages, "bundled"]))
    for key in names:
        terms = MODELS[key].terms if key in MODELS else ""
        if terms and not accept_terms:
            raise UserError(key, f"is subject to {terms}", "read them, then add --accept-terms if you agree")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages[key]]
        if subprocess.run(command, check=False).returncode:  # noqa: S603
            raise UserError(
                key, "could not be installed", f"see above; the command was pip install {' '.join(packages[key])}"
            )
