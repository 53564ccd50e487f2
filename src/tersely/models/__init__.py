"""Finding, loading, saving and checking models."""

import logging

# Where torchao is installed transformers imports it; it then warns of kernels that were built for other machines.
for _name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)
