"""The one function of SGLang's kernel package that its Triton attention calls."""

from every_name import names_of

__getattr__ = names_of(__name__)


def is_arch_support_pdl() -> bool:
    """No: dependent launches are an optimisation that only its own kernels were tried with."""
    return False
