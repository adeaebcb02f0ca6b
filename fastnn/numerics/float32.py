"""exp, expm1, log, log1p, tanh, erf, logistic, softplus in float32, without branches; errors below 2 ulp.

Loops over them vectorise. To compiled code this module is Python's `math`: everything else in it is Python's own. NaN gives
NaN, infinities are right, and so are denormal numbers, unless the processor is told to flush them (while a network trains).

    n = x log2(e) rounded, r = x - n log(2) in two parts, |r| < 0.35        exp(x) = 2^n exp(r)
    0.75 <= x 2^-n < 1.5, r = x 2^-n - 1                                    log(x) = n log(2) + log(1 + r)

Polynomials are minimax approximations: Remez exchange, weighted for the relative error of the function; coefficients are
rounded from the first on, and the others fitted again. The bound beside each is what it leaves of relative error.

The functions have no fastmath flags, whatever the loop around them has (fastmath=False, or Numba passes the caller's on):
what is fused is what says fma, never the compiler's choice, in vector code as in scalar code.

tests/test_numerics.py measures the errors.
"""

import math
from math import *  # what is not below

import numpy as np
from numba import njit

from fastnn.numerics.words import (
    clamp,
    exponent,
    fma,
    lowered,
    magnitude,
    polynomial,
    power,
    scaled,
    select,
    with_sign,
)

real = np.float32
compiled = njit(error_model="numpy", nogil=True, fastmath=False, no_cfunc_wrapper=True)
inlined = njit(error_model="numpy", nogil=True, inline="always")

ZERO, QUARTER, HALF, ONE, TWO, FOUR = real(0), real(0.25), real(0.5), real(1), real(2), real(4)
INFINITY, NAN = real(math.inf), real(math.nan)
MAGIC = real(1.5 * 2**23)
LOG2_E = real(1 / math.log(2))
LN2 = real(math.log(2))
LN2_HIGH = real(0.693145751953125)
"""Ends in zeros: n times it is exact."""
LN2_LOW = real(math.log(2) - 0.693145751953125)

OVERFLOW, UNDERFLOW = real(89), real(-104)

# exp(r) = 1 + r + r^2 p(r), 2^-28
_exp = polynomial(1.0, 1.0, 0.49999994, 0.16666521, 0.041668288, 0.0083687035, 0.0013818945)
# expm1(r) = r + r^2 p(r), 2^-31
_expm1 = polynomial(0.5, 0.16666666, 0.041666493, 0.0083335433, 0.0013932365, 0.00019764325)
# log(1 + r) = r + r^2 p(r) for -0.25 <= r <= 0.5, 2^-27
_log = polynomial(
    -0.5, 0.3333345, -0.2500011, 0.19990848, -0.1664688, 0.14477634, -0.1316392, 0.10472478, -0.045151584
)
# tanh(x) = x + x z p(z), z = x^2, for x < 0.55, 2^-29
_tanh = polynomial(-0.33333316, 0.13332544, -0.053847548, 0.021050714, -0.0062428494)
# erf(x) = x + x p(x^2) for x < 0.875, 2^-26; log(1 - erf(x)) = p(x) from there on, 2^-29 of erf
_erf_near = polynomial(0.12837915, -0.3761255, 0.11282458, -0.026791271, 0.0050321473, -0.00062063831)
_erf_far = polynomial(
    -0.00013376519, -1.1279353, -0.63673872, -0.10432614, 0.022419531, -0.0030921136, 0.0002009774
)


@compiled
def exp(x):
    x = clamp(real(x), UNDERFLOW, OVERFLOW)
    shifted = fma(x, LOG2_E, MAGIC)
    n = shifted - MAGIC
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))
    return scaled(_exp(r), shifted)


@inlined
def exp_normal(x):
    """exp where it is a normal number."""
    shifted = fma(x, LOG2_E, MAGIC)
    n = shifted - MAGIC
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))
    return _exp(r) * power(shifted)


@compiled
def expm1(x):
    """2 (2^(n-1) expm1(r) + 2^(n-1) - 1/2), and x itself near 0, where halving costs a denormal number its last bit."""
    x = real(x)
    c = clamp(x, real(-18), OVERFLOW)
    shifted = fma(c, LOG2_E, MAGIC)
    n = shifted - MAGIC
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, c))
    half = power(shifted - ONE)
    y = fma(half, fma(r * r, _expm1(r), r), half - HALF)
    return select(magnitude(x) < real(2.0**-25), x, y + y)


@compiled
def log(x):
    x = real(x)
    denormal = x < real(2.0**-126)
    y = select(denormal, x * real(2.0**23), x)
    shifted = exponent(y, real(0.75))
    n = shifted - select(denormal, MAGIC + real(23), MAGIC)
    r = lowered(y, shifted) - ONE
    y = fma(n, LN2_HIGH, fma(n, LN2_LOW, fma(r * r, _log(r), r)))
    y = select(x > ZERO, y, select(x == ZERO, -INFINITY, NAN))
    return select(x < INFINITY, y, x)


@compiled
def log1p(x):
    """r = (1 + x) 2^-n - 1 = x 2^-n + (2^-n - 1), without rounding 1 + x; signs are such that -0 stays -0."""
    x = real(x)
    shifted = exponent(x + ONE, real(0.75))
    n = MAGIC - shifted
    r = lowered(x, shifted) - fma(-QUARTER, lowered(FOUR, shifted), ONE)
    y = fma(n, -LN2_HIGH, fma(n, -LN2_LOW, fma(r * r, _log(r), r)))
    y = select(x > -ONE, y, select(x == -ONE, -INFINITY, NAN))
    return select(x < INFINITY, y, x)


@compiled
def tanh(x):
    """1 - 2 / (exp(2 |x|) + 1), and a polynomial near 0."""
    x = real(x)
    a = magnitude(x)
    z = a * a
    near = fma(a * z, _tanh(z), a)
    c = clamp(a, ZERO, real(10))
    far = ONE - TWO / (exp_normal(c + c) + ONE)
    return with_sign(select(a < real(0.55), near, far), x)


@compiled
def erf(x):
    """1 - exp(p(|x|)), and a polynomial near 0."""
    x = real(x)
    a = magnitude(x)
    near = fma(a, _erf_near(a * a), a)
    far = ONE - exp_normal(_erf_far(clamp(a, ZERO, FOUR)))
    return with_sign(select(a < real(0.875), near, far), x)


@compiled
def logistic(x):
    """1 / (1 + exp(-x)); for x < 0, with e = exp(x), it is e - e (e / (1 + e)): the rounding of 1 + e does no harm."""
    x = real(x)
    e = exp(-magnitude(x))
    negative = x < ZERO
    y = select(negative, e, ONE) / (ONE + e)
    return select(negative, fma(-e, y, e), y)


@compiled
def softplus(x):
    """log(1 + exp(x)) = max(x, 0) + log(1 + e), e = exp(-|x|) <= 1."""
    x = real(x)
    e = exp(-magnitude(x))
    large = e > HALF
    r = select(large, fma(HALF, e, -HALF), e)
    y = fma(r * r, _log(r), r) + select(large, LN2, ZERO)
    return select(x < ZERO, ZERO, x) + y
