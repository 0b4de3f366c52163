"""The cost of a change in the service's processes: two checkouts of this project, measured in turns.

    python -m benchmarks.studies.process_cost --before FOLDER --now FOLDER [PHOTO ...]

Each folder is a checkout with an environment in `.venv`; `models` is its model store, where FACE_STORE names none.
"""
