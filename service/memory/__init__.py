"""Memory of all processes: the budget of photos and uploads, the largest photo that fits, and glibc's malloc."""
