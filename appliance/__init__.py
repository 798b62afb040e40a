"""The appliance: an offline customer-service assistant in a box."""

import os

__version__ = "0.19.2"

# numpy's BLAS reads it once, while it is loaded. Its threads go on turning after each product and
# hold up whoever has work for their cores: the engine, and a question's vector (docs/lab-notes.md).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
