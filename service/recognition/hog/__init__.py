"""Dlib's frontal face detector (HOG): pyramid levels, FHOG features, sliding-window scores, NMS, confirmation."""
