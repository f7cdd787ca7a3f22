"""Maps keep the geometry of what has two dimensions, and stand what has none."""

import numpy as np
import pytest

from disentangled_audio.evaluation.representation.latent_map import latent_map


def test_a_plane_is_turned_and_not_bent():
    rng = np.random.default_rng(0)
    plane = rng.standard_normal((50, 2))
    plane = (plane - plane.mean(axis=0)) / plane.std(axis=0)
    found = latent_map(plane)
    distances = np.linalg.norm(plane[:, None] - plane, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=-1), distances)


@pytest.mark.parametrize("code", [np.zeros((9, 3)), np.arange(9.0)[:, None], np.ones((1, 4))])
def test_codes_of_less_than_two_dimensions(code):
    found = latent_map(code)
    assert found.shape == (len(code), 2)
    assert np.isfinite(found).all()
    assert not found[:, 1].any()
