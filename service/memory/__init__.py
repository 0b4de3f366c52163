"""Memory of all processes: budgets of uploads and photos, the largest photo that fits, and glibc's malloc."""
