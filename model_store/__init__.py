"""Dlib's weights: catalogue with hashes, sources, verified store; and the manifests of converted files."""
