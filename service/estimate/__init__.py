"""Time for a library of photos: with one service (`library`), and with several replicas (`replicas`)."""
