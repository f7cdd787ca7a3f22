"""Map codes to two dimensions for a plot."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler


def latent_map(code: NDArray[np.floating]) -> NDArray[np.float64]:
    """First two principal components of a code.

    A linear map without labels shows only real separation. Neighbour embeddings draw clusters in
    noise, and discriminants separate anything that has enough dimensions.

    Parameters
    ----------
    code : (n_items, n_dims)

    Returns
    -------
    (n_items, 2)
        From the standardised code; the second is 0 if the code has one dimension.
    """
    found = np.zeros((len(code), 2))
    n_components = min(2, *code.shape)
    scaled = StandardScaler().fit_transform(np.asarray(code, dtype=np.float64))
    # PCA of constant dimensions would divide by zero.
    if scaled.any():
        found[:, :n_components] = PCA(n_components, svd_solver="full").fit_transform(scaled)
    return found
