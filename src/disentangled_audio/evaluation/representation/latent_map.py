"""Codes in two dimensions, to be drawn."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler


def latent_map(code: NDArray[np.floating]) -> NDArray[np.float64]:
    """First two principal components of a code.

    A linear map that sees no label: what looks apart is apart. Neighbour embeddings draw clusters
    in noise, and discriminants find a separation wherever there are dimensions enough.

    Parameters
    ----------
    code : (n_items, n_dims)

    Returns
    -------
    (n_items, 2)
        Each dimension of the code counts alike; 0 where there is no second dimension.
    """
    found = np.zeros((len(code), 2))
    n_components = min(2, *code.shape)
    scaled = StandardScaler().fit_transform(np.asarray(code, dtype=np.float64))
    # Shared between constant dimensions, no variance divides by zero.
    if scaled.any():
        found[:, :n_components] = PCA(n_components, svd_solver="full").fit_transform(scaled)
    return found
