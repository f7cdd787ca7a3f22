"""Feature engineering: Fourier-PCA features, augmentation, encoder views."""
