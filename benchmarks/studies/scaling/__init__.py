"""Photos a second of several replicas behind nginx, against the prediction of `face-model estimate --replicas`."""
