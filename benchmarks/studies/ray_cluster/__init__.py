"""A local cluster of Ray with the service behind nginx: lost photos, equality of answers, cost, memory."""
