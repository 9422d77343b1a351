"""Puts the generated modules into each wheel and source distribution.

They are made from the contracts where those are at hand, which is in the repository, and taken as they are from a source
distribution.
"""

import importlib.util
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GeneratedModules(BuildHookInterface):
    """Generates before a build, and adds what it generated."""

    PLUGIN_NAME = "custom"

    def initialize(self, version, build_data):
        """Makes the modules and names their place in what is built.

        Raises:
            RuntimeError: There are neither contracts nor generated modules, or the contracts cannot be read.
        """
        root = Path(self.root)
        generator = _load(root / "generate.py")
        generated = root / "generated"
        if generator.has_contracts():
            generator.generate(generated)
        elif not generated.is_dir():
            raise RuntimeError("neither the contracts nor the modules that are made from them are here: build in the repository")
        place = "happypath" if self.target_name == "wheel" else "generated/happypath"
        build_data["force_include"][str(generated / "happypath")] = place


def _load(path):
    """Loads a module by its path, since a build backend has no folder to import from."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
