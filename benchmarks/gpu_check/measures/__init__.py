"""Measurements of one provider: services, photos, answers, loads and device memory."""
