"""Pipeline that measures disentanglement."""

from kedro.pipeline import Node, Pipeline

from disentangled_audio.pipelines.disentanglement.nodes import (
    encode_without_training,
    make_swap_examples,
    measure_disentanglement,
    plot_disentanglement,
    plot_swap_examples,
    score_predicted_factors,
    show_codes,
    sound_swap_examples,
)


def create_pipeline(**kwargs) -> Pipeline:
    """Measure leakage, swaps and block scores of codes; make their figures and sounds."""
    return Pipeline(
        [
            Node(
                encode_without_training,
                inputs=[
                    *("disentangler", "log_mel", "content_view", "rhythm_view", "pitch_view"),
                    *("recordings", "params:disentangler", "params:seed"),
                ],
                outputs="untrained_codes",
                name="encode_without_training",
            ),
            Node(
                measure_disentanglement,
                inputs=[
                    *("codes", "loudest_codes", "untrained_codes", "disentangler", "log_mel"),
                    *("factor_table", "splits", "recordings", "params:disentanglement"),
                    "params:seed",
                ],
                outputs=["leakage_matrix", "swaps", "disentanglement", "factor_predictions"],
                name="measure_disentanglement",
            ),
            Node(
                score_predicted_factors,
                inputs=["factor_predictions", "params:seed"],
                outputs="factor_regression",
                name="score_predicted_factors",
            ),
            Node(
                plot_disentanglement,
                inputs=["leakage_matrix", "codes", "factor_table", "params:corpus"],
                outputs=["leakage_plot", "latent_map_plot"],
                name="plot_disentanglement",
            ),
            Node(
                make_swap_examples,
                inputs=[
                    *("loudest_codes", "disentangler", "log_mel", "factor_table"),
                    *("params:disentanglement", "params:seed"),
                ],
                outputs=["swap_examples", "swap_spectra"],
                name="make_swap_examples",
            ),
            Node(
                sound_swap_examples,
                inputs=["swap_spectra", "params:corpus", "params:views", "params:seed"],
                outputs="swap_audio",
                name="sound_swap_examples",
            ),
            Node(
                plot_swap_examples,
                inputs=["swap_examples", "swap_spectra", "params:corpus", "params:views"],
                outputs="swap_plot",
                name="plot_swap_examples",
            ),
            Node(
                show_codes,
                inputs=[
                    *("leakage_matrix", "disentanglement", "codes", "swap_examples"),
                    *("swap_spectra", "swap_audio", "params:corpus", "params:views"),
                ],
                outputs="report_of_codes",
                name="show_codes",
            ),
        ]
    )
