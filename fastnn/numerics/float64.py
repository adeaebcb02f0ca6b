"""exp, expm1, log, log1p, tanh, erf, logistic, softplus in float64, without branches; errors below 2 ulp.

The same as float32.py with longer polynomials, whose bounds are as there. Only log differs: in s = f / (2 + f) few terms
are enough, and they are added up as in e_log.c of FreeBSD, so that the largest one stays exact:

    log(1 + f) = 2 s + s^3 p(s^2) = f - (f^2 / 2 - s (f^2 / 2 + s^2 p(s^2)))
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

real = np.float64
compiled = njit(error_model="numpy", nogil=True, fastmath=False, no_cfunc_wrapper=True)
inlined = njit(error_model="numpy", nogil=True, inline="always")

ZERO, QUARTER, HALF, ONE, TWO, FOUR = real(0), real(0.25), real(0.5), real(1), real(2), real(4)
INFINITY, NAN = real(math.inf), real(math.nan)
MAGIC = real(1.5 * 2**52)
LOG2_E = real(1 / math.log(2))
LN2_HIGH = real(6.93147180369123816490e-01)
"""Ends in zeros: n times it is exact."""
LN2_LOW = real(1.90821492927058770002e-10)
ROOT_HALF = real(math.sqrt(0.5))

OVERFLOW, UNDERFLOW = real(710), real(-746)

# exp(r) = 1 + r + r^2 p(r), 2^-57
_exp = polynomial(
    1.0,
    1.0,
    0.5000000000000011,
    0.16666666666666463,
    0.04166666666652866,
    0.008333333333471499,
    0.0013888888943758323,
    0.00019841269544144095,
    2.4801493097374264e-05,
    2.755755990270962e-06,
    2.7630224594198195e-07,
    2.500688148254241e-08,
)
# expm1(r) = r + r^2 p(r), 2^-61
_expm1 = polynomial(
    0.5,
    0.16666666666666677,
    0.041666666666666685,
    0.008333333333321737,
    0.001388888888888913,
    0.00019841269885471859,
    2.4801587291982453e-05,
    2.7557245071542403e-06,
    2.7557317296297285e-07,
    2.51086978982044e-08,
    2.0897720257753298e-09,
)
# log(1 + f) = 2 s + s^3 p(s^2), 2^-59
_log = polynomial(
    0.6666666666666734,
    0.39999999999416824,
    0.28571428741975313,
    0.22222198610487032,
    0.18183562600271938,
    0.15314090028062868,
    0.14795596233120414,
)
# tanh(x) = x + x z p(z), z = x^2, for x < 0.55, 2^-60
_tanh = polynomial(
    -0.333333333333333,
    0.13333333333326577,
    -0.05396825396373416,
    0.02186948838506854,
    -0.00886323258809048,
    0.0035920918912637923,
    -0.0014555419228033744,
    0.0005884405813446739,
    -0.00023337136137646975,
    8.330144392650442e-05,
    -1.9485195245992734e-05,
)
# erf(x) = x + x p(x^2) for x < 0.875, 2^-56; log(1 - erf(x)) = p(x) from there on, 2^-58 of erf
_erf_near = polynomial(
    0.1283791670955126,
    -0.37612638903183754,
    0.11283791670954868,
    -0.026866170645008066,
    0.005223977623315587,
    -0.0008548326845751027,
    0.0001205532432619622,
    -1.4925380581367251e-05,
    1.6456518584736162e-06,
    -1.6288485661928935e-07,
    1.4118059397169383e-08,
    -8.649907477976126e-10,
)
_erf_far = polynomial(
    -5.1018547045427535e-08,
    -1.1283786215655889,
    -0.6366224380610412,
    -0.10276478812883325,
    0.019113396720480406,
    0.00022834627499187512,
    -0.001710146770661677,
    0.0005893658534424281,
    -8.773493070564821e-06,
    -9.034113289471876e-05,
    5.3870732306005465e-05,
    -1.9624099720947456e-05,
    5.192394220294489e-06,
    -1.0382542108236857e-06,
    1.5673626711769321e-07,
    -1.7401036481048966e-08,
    1.3437249872302507e-09,
    -6.452690634656093e-11,
    1.4511837791749177e-12,
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
    c = clamp(x, real(-38), OVERFLOW)
    shifted = fma(c, LOG2_E, MAGIC)
    n = shifted - MAGIC
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, c))
    half = power(shifted - ONE)
    y = fma(half, fma(r * r, _expm1(r), r), half - HALF)
    return select(magnitude(x) < real(2.0**-54), x, y + y)


@inlined
def log_of(f, n):
    """log(1 + f) + n log(2)."""
    s = f / (TWO + f)
    z = s * s
    h = HALF * f * f
    return fma(n, LN2_HIGH, f - (h - fma(s, fma(z, _log(z), h), n * LN2_LOW)))


@compiled
def log(x):
    x = real(x)
    denormal = x < real(2.0**-1022)
    y = select(denormal, x * real(2.0**52), x)
    shifted = exponent(y, ROOT_HALF)
    n = shifted - select(denormal, MAGIC + real(52), MAGIC)
    y = log_of(lowered(y, shifted) - ONE, n)
    y = select(x > ZERO, y, select(x == ZERO, -INFINITY, NAN))
    return select(x < INFINITY, y, x)


@compiled
def log1p(x):
    """f = (1 + x) 2^-n - 1 = x 2^-n + (2^-n - 1), without rounding 1 + x."""
    x = real(x)
    shifted = exponent(x + ONE, ROOT_HALF)
    f = lowered(x, shifted) + fma(QUARTER, lowered(FOUR, shifted), -ONE)
    y = log_of(f, shifted - MAGIC)
    y = select(x > -ONE, y, select(x == -ONE, -INFINITY, NAN))
    y = select(x < INFINITY, y, x)
    return select(x == ZERO, x, y)


@compiled
def tanh(x):
    """1 - 2 / (exp(2 |x|) + 1), and a polynomial near 0."""
    x = real(x)
    a = magnitude(x)
    z = a * a
    near = fma(a * z, _tanh(z), a)
    c = clamp(a, ZERO, real(20))
    far = ONE - TWO / (exp_normal(c + c) + ONE)
    return with_sign(select(a < real(0.55), near, far), x)


@compiled
def erf(x):
    """1 - exp(p(|x|)), and a polynomial near 0."""
    x = real(x)
    a = magnitude(x)
    near = fma(a, _erf_near(a * a), a)
    far = ONE - exp_normal(_erf_far(clamp(a, ZERO, real(6))))
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
    large = e > real(0.41)
    f = select(large, fma(HALF, e, -HALF), e)
    return select(x < ZERO, ZERO, x) + log_of(f, select(large, ONE, ZERO))
