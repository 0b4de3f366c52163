"""Defaults of the Nextcloud app by which it groups faces into persons (facerecognition 0.9.95, SettingsService)."""

CONFIDENCE = 0.99
"""`min_confidence`: a face below is stored and never grouped."""
SIDE = 40
"""`min_face_size`, in pixels of the original photo, to which the app scales the boxes back (ImageProcessingTask). A
face with a smaller width or height is stored and never grouped."""
DISTANCE = 0.4
"""`sensitivity`: faces with a smaller Euclidean distance of their descriptors are connected. From 0.2 to 0.6."""
