import numpy as np

DTYPES: dict[int, np.dtype]
_C_API: object
