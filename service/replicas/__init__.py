"""Capacity of several replicas: the photos a second of all of them, and the resource that limits it."""

from service.replicas.resources import GIGABIT, PREPARATION, REPLICAS, RESOURCES, Replica, Resource, Site
from service.replicas.scaling import Bound, Scaling, scaling

__all__ = [
    "GIGABIT",
    "PREPARATION",
    "REPLICAS",
    "RESOURCES",
    "Bound",
    "Replica",
    "Resource",
    "Scaling",
    "Site",
    "scaling",
]
