"""Early import of modules that libraries import lazily while decoding: a sandboxed process cannot open their files."""

from importlib import import_module

LAZY_MODULES = ("PIL.ImageCms", "numpy.ma")
"""Imported by Image.convert for TIFF in CIELAB, and by numpy.isin for directories of a TIFF (tiff_directory.py)."""


def import_lazy_modules() -> None:
    """Import LAZY_MODULES, so that a process in the sandbox (service.sandbox) decodes the same photos as outside."""
    for name in LAZY_MODULES:
        import_module(name)
