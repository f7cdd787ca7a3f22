"""Feature engineering pipeline."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.models.embedding_features import embed_clips
from disentangled_audio.pipelines.feature_engineering.nodes import (
    augment_training_rows,
    compute_spectra,
    fit_fourier_pca,
    make_encoder_views,
    measure_acoustics,
    measure_factors,
    project_spectra,
    summarise_views,
)


def create_pipeline(**kwargs) -> Pipeline:
    """Compute Fourier-PCA features, augmented rows, encoder views and acoustic parameters."""
    return Pipeline(
        [
            Node(
                compute_spectra,
                inputs=["waveforms", "params:fourier", "feature_chunks", "params:parallel"],
                outputs="fourier_spectra",
                name="compute_spectra",
            ),
            Node(
                fit_fourier_pca,
                inputs=["fourier_spectra", "splits", "params:fourier", "params:seed"],
                outputs="fourier_pca",
                name="fit_fourier_pca",
            ),
            Node(
                project_spectra,
                inputs=["fourier_spectra", "recordings", "fourier_pca"],
                outputs="fourier_features",
                name="project_spectra",
            ),
            Node(
                augment_training_rows,
                inputs=[
                    *("waveforms", "splits", "fourier_pca", "params:fourier"),
                    *("params:augmentation", "params:corpus", "params:seed"),
                ],
                outputs="augmented_features",
                name="augment_training_rows",
            ),
            Node(
                measure_acoustics,
                inputs=[
                    *("waveforms", "recordings", "params:corpus", "params:acoustic"),
                    *("feature_chunks", "params:parallel"),
                ],
                outputs="acoustic_parameters",
                name="measure_acoustics",
            ),
            Node(
                measure_factors,
                inputs=[
                    *("waveforms", "recordings", "acoustic_parameters", "params:corpus"),
                    *("params:views", "feature_chunks", "params:parallel"),
                ],
                outputs="measured_factors",
                name="measure_factors",
            ),
            Node(
                make_encoder_views,
                inputs=[
                    *("waveforms", "params:corpus", "params:views", "feature_chunks"),
                    "params:parallel",
                ],
                outputs=["log_mel", "content_view", "rhythm_view", "pitch_view"],
                name="make_encoder_views",
            ),
            Node(
                summarise_views,
                inputs=["log_mel", "recordings", "params:cepstra", "params:views"],
                outputs=["mel_features", "timbre_features"],
                name="summarise_views",
            ),
            Node(
                embed_clips,
                inputs=[
                    *("waveforms", "recordings", "params:corpus", "params:pretrained"),
                    *("feature_chunks", "params:parallel"),
                ],
                outputs="embedding_features",
                name="embed_clips",
            ),
        ]
    )
