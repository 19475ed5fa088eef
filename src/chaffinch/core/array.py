"""Arrays of any library as NumPy arrays, without losing masks or gradients' values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError

_LARGEST_DENSE = 200_000_000
_EXACT = 2**53


def to_numpy(values: Any) -> NDArray[Any]:
    """Turn a tensor, a list or an array into a plain array.

    Masked entries become missing ones: NaN among numbers, None among others and where float64
    cannot hold the whole numbers beside them. Sparse matrices are filled in.

    Raises:
        InputError: A sparse matrix too large for that, complex numbers, or an object that cannot
            be turned into an array.
        ValueError: Rows of different lengths.
    """
    try:
        return _plain(values)
    except ValueError as error:
        if type(error).__module__.partition(".")[0] != "pyarrow":
            raise
        raise InputError(
            "an array", f"{type(values).__name__} ({error})", "Pass numbers"
        ) from error
    except Exception as error:  # objects of other libraries raise whatever they like
        raise InputError(
            "an array, or what can be turned into one",
            f"a {type(values).__name__} ({type(error).__name__}: {error})",
            "Pass a NumPy array",
        ) from error


def _plain(values: Any) -> NDArray[Any]:
    if hasattr(values, "detach"):
        return _of_tensor(values)
    if isinstance(values, np.ma.MaskedArray):
        return _unmasked(values)
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        if np.prod(values.shape) > _LARGEST_DENSE:
            raise InputError(
                f"a sparse matrix of at most {_LARGEST_DENSE:,} cells",
                f"{values.shape[0]:,} x {values.shape[1]:,}",
                "Reduce its columns first, such as by sklearn's TruncatedSVD, or pass the texts",
            )
        values = values.toarray()
    if hasattr(values, "to_numpy"):
        arrow = type(values).__module__.partition(".")[0] == "pyarrow" and hasattr(values, "type")
        values = values.to_numpy(zero_copy_only=False) if arrow else values.to_numpy()
    elif isinstance(values, list | tuple) and any(
        isinstance(one, np.ma.MaskedArray) or one is np.ma.masked for one in values
    ):
        return _unmasked(np.ma.stack([np.ma.asarray(one) for one in values]))
    elif isinstance(values, list | tuple) and any(hasattr(one, "detach") for one in values):
        values = [_of_tensor(one) if hasattr(one, "detach") else one for one in values]
    array = np.asarray(values)
    if array.dtype.kind == "c":
        raise InputError(
            "real numbers", f"complex ones ({array.dtype})", "Pass real and imaginary parts apart"
        )
    return array


def scalar(value: Any) -> Any:
    """The value itself where a cell holds an array or a tensor of no dimension."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    return value


def _of_tensor(tensor: Any) -> NDArray[Any]:
    plain = tensor.detach().cpu()
    if getattr(plain, "is_sparse", False) or "sparse" in str(plain.layout):
        plain = plain.to_dense()
    if str(plain.dtype) == "torch.bfloat16":
        plain = plain.float()
    array: NDArray[Any] = plain.resolve_conj().resolve_neg().numpy()
    if array.dtype.kind == "c":
        raise InputError(
            "real numbers", f"complex ones ({array.dtype})", "Pass real and imaginary parts apart"
        )
    return array


def _unmasked(values: Any) -> NDArray[Any]:
    mask = np.ma.getmaskarray(values)
    data: NDArray[Any] = np.ma.getdata(values)
    if not mask.any():
        return data
    if data.dtype.kind == "f":
        filled: NDArray[Any] = np.where(mask, data.dtype.type(np.nan), data)
        return filled
    known = data[~mask]
    exact = data.dtype.kind in "iu" and not (known.size and int(abs(known).max()) > _EXACT)
    made = data.astype(np.float64 if exact else object)
    made[mask] = np.nan if exact else None
    return made
