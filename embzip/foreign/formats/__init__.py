"""Formats of TensorFlow and Keras, read as data: one file a format, and what they share."""
