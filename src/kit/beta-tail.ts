// The lower tail of a Beta distribution: the regularized incomplete beta function, for shapes of 1 and more.

import { KitError } from './error.ts'

/** Terms of the continued fraction; it converges in about the root of the larger shape. */
const TERMS_MAX = 10_000
const PRECISION = 1e-15
/** Stands in for a zero denominator (Lentz's method). */
const TINY = 1e-300

/**
 * I_x(a, b): the chance that a value of Beta(a, b) is at most x. Continued fraction 8.17.22 of the NIST Digital Library
 * of Mathematical Functions, on the side of the mean where it converges fast.
 *
 * @param x 0 to 1
 * @param a at least 1, as is b
 * @throws KitError `evidence` (x or a shape out of its range)
 */
export function betaTail(x: number, a: number, b: number): number {
  if (!(x >= 0 && x <= 1) || !(a >= 1 && b >= 1 && Number.isFinite(a + b)))
    throw new KitError('evidence', `no tail of Beta(${a}, ${b}) at ${x}`)
  if (x === 0 || x === 1) return x
  const isLeft = x < (a + 1) / (a + b + 2)
  const tail = isLeft ? leftTail(x, a, b) : 1 - leftTail(1 - x, b, a)
  return Math.min(1, Math.max(0, tail))
}

const leftTail = (x: number, a: number, b: number): number =>
  (Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b)) / a) * continuedFraction(x, a, b)

function continuedFraction(x: number, a: number, b: number): number {
  let c = 1
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1))
  let value = d
  for (let m = 1; m <= TERMS_MAX; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / nonZero(1 + even * d)
    c = nonZero(1 + even / c)
    value *= c * d
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / nonZero(1 + odd * d)
    c = nonZero(1 + odd / c)
    value *= c * d
    if (Math.abs(c * d - 1) < PRECISION) break
  }
  return value
}

const nonZero = (value: number): number => (Math.abs(value) < TINY ? TINY : value)

const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b)

/** From here on, five terms of Stirling's series (DLMF 5.11.1) are as exact as a double. */
const STIRLING_FROM = 10

function logGamma(x: number): number {
  let at = x
  let below = 1
  for (; at < STIRLING_FROM; at += 1) below *= at
  const square = 1 / (at * at)
  const series = 1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))
  return (at - 0.5) * Math.log(at) - at + Math.log(2 * Math.PI) / 2 + series / at - Math.log(below)
}
