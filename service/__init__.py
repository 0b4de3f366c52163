"""The HTTP service that a Nextcloud points its Face Recognition app at."""
