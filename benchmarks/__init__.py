"""Parity, accuracy and speed of the service, measured against dlib and the upstream service.

The words of the results and of this code:

- run: one execution of `python -m benchmarks`, which writes `result.json` and `report.html`.
- part: parity, throughput or roofline. A part has steps; its figures belong to one or more sections of the result.
- side: one of the compared implementations. `library` is this recogniser called directly, `service` the same over
  HTTP, `dlib` dlib called directly, `upstream` two processes of dlib as the upstream service runs them, and `remote` a
  service at a URL. Parity compares a `candidate` with the `reference` answers of a baseline.
- baseline: the source of the reference answers: dlib, a trusted service, or a recording.
- scenario: sides, photo size and number of callers of one throughput measurement, repeated in rounds.
- trial: one closed-loop run of one side in a round.
- figure: a measured quantity with one value per round. Series: the columns of numbers behind a plot.
- gate: a bound on figures, with a verdict: green, red, or abstains if the data do not suffice.
"""
