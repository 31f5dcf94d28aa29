// The Env port: time, chance and ids come in through here, so a test or the simulator can own them.

import { randomBytes } from 'node:crypto'

/** What a port may answer at once or later. */
export type Awaitable<T> = T | Promise<T>

export interface Env {
  /** Wall clock, milliseconds since the Unix epoch. */
  now(): number
  /** A clock that never goes back, milliseconds from an arbitrary origin. */
  monotonic(): number
  /** Resolves when `monotonic()` has passed `atMs`; rejects with the signal's reason. */
  sleepUntil(atMs: number, signal?: AbortSignal): Promise<void>
  /** A UUIDv7 (RFC 9562 section 5.7); ids of one Env are strictly increasing. */
  id(): string
  /** Unpredictable bytes. */
  random(sizeBytes: number): Uint8Array
}

/** Ends early, and without an error, when the signal is aborted: whoever waits looks at it afterwards. */
export const pause = (
  env: Pick<Env, 'monotonic' | 'sleepUntil'>,
  forMs: number,
  signal: AbortSignal,
): Promise<void> =>
  env.sleepUntil(env.monotonic() + forMs, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })

const MAX_TIMER_MS = 2 ** 31 - 1

/** The real world. */
export function systemEnv(): Env {
  const now = () => Date.now()
  const random = pooledRandom()
  const monotonic = () => performance.now()
  return {
    now,
    monotonic,
    random,
    id: uuidV7(now, random),
    sleepUntil: (atMs, signal) => sleep(monotonic, atMs, signal),
  }
}

/** The operating system is asked for much at a time: each asking costs more than the bytes. */
function pooledRandom(): (sizeBytes: number) => Uint8Array {
  let pool = new Uint8Array(0)
  let used = 0
  return (sizeBytes) => {
    if (sizeBytes > RANDOM_POOL_SIZE_BYTES / 8) return new Uint8Array(randomBytes(sizeBytes))
    if (used + sizeBytes > pool.length) {
      pool = new Uint8Array(randomBytes(RANDOM_POOL_SIZE_BYTES))
      used = 0
    }
    const given = pool.slice(used, used + sizeBytes)
    // Nobody finds in memory what somebody else was given.
    pool.fill(0, used, used + sizeBytes)
    used += sizeBytes
    return given
  }
}

const RANDOM_POOL_SIZE_BYTES = 4096

/**
 * UUIDv7 generator: 48-bit milliseconds, then a 12-bit counter in rand_a
 * (RFC 9562 section 6.2, method 1), then 62 random bits. A clock that goes back
 * keeps the last millisecond and counts on.
 */
export function uuidV7(now: () => number, random: (sizeBytes: number) => Uint8Array): () => string {
  let lastMs = -1
  let counter = 0
  let pool: Uint8Array = new Uint8Array(0)
  let used = 0
  const take8 = () => {
    if (used + 8 > pool.length) {
      pool = random(1024)
      used = 0
    }
    used += 8
    return pool.subarray(used - 8, used)
  }
  return () => {
    const nowMs = now()
    if (nowMs > lastMs) {
      lastMs = nowMs
      counter = 0
    } else if (++counter > 0xfff) {
      lastMs += 1
      counter = 0
    }
    const ms = lastMs.toString(16).padStart(12, '0')
    const tail = take8()
    const variant = (0x80 | ((tail[0] ?? 0) & 0x3f)).toString(16)
    const rest = Buffer.from(tail.subarray(1)).toString('hex')
    const a = counter.toString(16).padStart(3, '0')
    return `${ms.slice(0, 8)}-${ms.slice(8)}-7${a}-${variant}${rest.slice(0, 2)}-${rest.slice(2)}`
  }
}

function sleep(monotonic: () => number, atMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    let timer: NodeJS.Timeout
    const abort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const arm = () => {
      const leftMs = atMs - monotonic()
      if (leftMs > 0) {
        timer = setTimeout(arm, Math.min(leftMs, MAX_TIMER_MS))
        return
      }
      signal?.removeEventListener('abort', abort)
      resolve()
    }
    signal?.addEventListener('abort', abort, { once: true })
    arm()
  })
}
