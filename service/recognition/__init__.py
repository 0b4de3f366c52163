"""Face recognition alone: an RGB array in, faces out. Knows no HTTP and no asyncio."""
