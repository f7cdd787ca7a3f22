"""Parameters of the pipeline `svm_classification`."""

from pydantic import Field, model_validator

from disentangled_audio.parameters.base import Numbers, Parameters, Texts


class SvmParameters(Parameters):
    """Grid search of the RBF SVM by inner cross-validation over training groups."""

    C: Numbers = [0.3, 1.0, 3.0, 10.0, 30.0]
    """Values of C (weights of training errors) to try."""
    gamma_scale: Numbers = [0.1, 0.3, 1.0, 3.0]
    """Values of gamma (inverse kernel width) to try, relative to scikit-learn's `gamma="scale"`."""
    inner_folds: int = Field(default=4, ge=2)
    """Number of folds of the search, over training groups."""
    max_search_rows: int = Field(default=2000, ge=10)
    """Largest number of training rows in the search; of more, a random sample is used."""
    n_jobs: int = Field(default=2, ge=1)
    """Number of processes of the search."""
    max_exact_rows: int = Field(default=5000, ge=10)
    """Largest number of rows, including augmented ones, for an exact SVM. With more, landmarks
    approximate the kernel (Nyström), so that time and memory grow with the number of rows, not with
    its square."""
    n_landmarks: int = Field(default=1000, ge=2)
    """Number of training rows (landmarks) that approximate the kernel."""

    @model_validator(mode="after")
    def _check_grid(self) -> "SvmParameters":
        for name in ("C", "gamma_scale"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                raise ValueError(f"{name} needs one or more values above 0, got {values}")
        return self


class HybridParameters(Parameters):
    """Fusion of the members' probabilities, chosen on validation rows."""

    members: Texts = Field(
        default=[
            *("svm", "mel_svm", "timbre_svm", "acoustic_svm", "code_svm", "embedding_svm", "cnn")
        ],
        min_length=1,
    )
    """Members of the bank to fuse. The network and the SVMs of Fourier features and codes are
    always trained, the others only if they are named here. `embedding_svm` also needs `pretrained`
    weights, and belongs to a hybrid of its own, `hybrid_pretrained`."""
    max_temperature: float = Field(default=10.0, gt=1)
    """Highest temperature by which a member's log-probabilities are divided."""
