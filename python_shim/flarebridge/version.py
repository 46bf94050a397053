"""The version of this package; the project's CMakeLists.txt and pyproject.toml have the same."""

__version__ = "0.1.0"
