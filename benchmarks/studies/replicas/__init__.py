"""Replicas behind nginx that are killed and restarted under load: lost photos, equality of answers, cost, memory."""
