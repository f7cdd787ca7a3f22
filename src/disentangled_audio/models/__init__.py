"""Networks and estimators. TensorFlow is imported only by the modules that need it."""
