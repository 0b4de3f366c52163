"""Cost of a change of the service: two checkouts of this project, measured alternately.

    python -m benchmarks.studies.process_cost --before FOLDER --now FOLDER [PHOTO ...]

Each folder is a checkout with an environment in `.venv`; `models` is its model store unless FACE_STORE is set.
"""
