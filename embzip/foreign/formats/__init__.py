"""Readers of TensorFlow and Keras formats, one module per format. No code in a file runs."""
