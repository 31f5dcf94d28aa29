// Waiting before another try: full jitter, so that those who failed together do not come back together.

import { Buffer } from 'node:buffer'
import type { Env } from '../env.ts'

/** A share of 1, unpredictable, from 0 up. */
export const chanceOf = (env: Env): number => Buffer.from(env.random(4)).readUInt32BE() / 2 ** 32

/** Anything up to `minMs * 2^failures`, at most `maxMs`. */
export const backoffMs = (env: Env, failures: number, minMs: number, maxMs: number): number =>
  chanceOf(env) * Math.min(maxMs, minMs * 2 ** Math.min(failures, 30))
