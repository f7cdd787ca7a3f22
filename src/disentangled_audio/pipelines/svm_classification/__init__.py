"""SVM classification: Fourier SVM, code SVM and the hybrid."""
