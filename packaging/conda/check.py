"""Reads the recipe as rattler-build does, for each platform, and compares it with what the project says of itself.

    check.py

Needs the package py-rattler-build of PyPI. Nothing is built: conda's channels are not asked.
"""

import re
import sys
from pathlib import Path

import rattler_build

_HERE = Path(__file__).resolve().parent
_PROJECT = (_HERE.parents[1] / "pyproject.toml").read_text()
_PLATFORMS = ("linux-64", "linux-aarch64")
# What conda-forge calls otherwise than PyPI.
_NAMES = {"msgpack": "msgpack-python"}


def _rendered(platform: str) -> dict:
    """The one package that the recipe makes for a platform."""
    recipe = rattler_build.Stage0Recipe.from_file(_HERE / "recipe.yaml")
    variants = rattler_build.VariantConfig.from_file(_HERE / "variants.yaml")
    on = rattler_build.PlatformConfig(target_platform=platform, build_platform=platform, host_platform=platform)
    (variant,) = recipe.render(variants, rattler_build.RenderConfig(platform=on))
    return variant.recipe.to_dict()


def _value(name: str) -> str:
    return re.search(rf"^{name} = (.*)$", _PROJECT, re.MULTILINE)[1]


def _wanted() -> "set[str]":
    """What the package needs at run time, from pyproject.toml, by conda-forge's names."""
    needed = {f"python {_value('requires-python').strip(chr(34))}"}
    for dependency in re.findall(r'"([^"]+)"', _value("dependencies")):
        name, bound = re.fullmatch(r"([\w-]+)(.*)", dependency).groups()
        needed.add(f"{_NAMES.get(name, name)} {bound}")
    return needed


def main() -> int:
    found = []
    for platform in _PLATFORMS:
        package = _rendered(platform)
        if f'"{package["package"]["version"]}"' != _value("version"):
            found.append(f"{platform}: another version than pyproject.toml's")
        for missing in sorted(_wanted() - set(package["requirements"]["run"])):
            found.append(f"{platform}: {missing} is missing at run time")
        sysroot = [word for word in package["requirements"]["build"] if word.startswith("sysroot_")]
        print(f"conda: {platform}: {package['package']['name']} {package['package']['version']}, {', '.join(sysroot)}")
    print("\n".join(f"conda: error: {problem}" for problem in found) or "conda: the recipe fits the project")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
