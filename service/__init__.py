"""The HTTP service: an external model for the Face Recognition app of Nextcloud."""
