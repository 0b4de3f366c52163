"""Cost of a change of the service: two checkouts of this project, measured alternately."""
