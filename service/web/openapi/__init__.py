"""OpenAPI 3.1 document of the service, and its viewer: pages that need no key, no other host and no library."""

from service.web.openapi.pages import PATHS, routes

__all__ = ["PATHS", "routes"]
