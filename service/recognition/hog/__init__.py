"""dlib's frontal face detector (HOG): pyramid levels, FHOG features, filters, window search and its NMS."""
