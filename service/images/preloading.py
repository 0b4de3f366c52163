"""Modules that libraries import in the middle of a photo, loaded ahead for a process that can open no file later."""

from importlib import import_module

LAZY_MODULES = ("PIL.ImageCms", "numpy.ma")
"""By Image.convert for TIFF in CIELAB, and by numpy.isin for directories of a TIFF (tiff_directory.py)."""


def import_lazy_modules() -> None:
    """Import them, so that a confined process (service.sandbox) decodes every photo that another one decodes."""
    for name in LAZY_MODULES:
        import_module(name)
