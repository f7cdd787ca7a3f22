"""Which part of a clip was recorded, for clips that start and end outside their files."""

import pandas as pd

from disentangled_audio.models.quiet_values import recorded_part
from disentangled_audio.parameters import Analysis


def test_clips_of_responses_start_before_the_direct_sound_and_others_with_the_file():
    analysis = Analysis(sample_rate_hz=1000, duration_s=1.0, align="direct_sound", pre_direct_s=0.1)
    recordings = pd.DataFrame(
        {
            "kind": ["rir", "rir", "noise", "noise"],
            "duration_s": [0.5, 5.0, 0.5, 5.0],
            "first_arrival_s": [0.02, 0.3, 0.02, 0.3],
        }
    )
    expected = [[80, 580], [0, 1000], [0, 500], [0, 1000]]
    assert recorded_part(recordings, analysis, 1000).tolist() == expected
    from_start = analysis.model_copy(update={"align": "start"})
    assert recorded_part(recordings, from_start, 1000)[:2].tolist() == [[0, 500], [0, 1000]]
