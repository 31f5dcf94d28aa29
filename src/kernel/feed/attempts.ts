// Attempts under way for one subscription: begun, timed, aborted, and counted at most once each.

import { type Env, pause } from '../env.ts'
import { PolityError } from '../errors.ts'
import type { Entry } from '../log/entry.ts'
import type { Picked } from './items.ts'
import type { SubscriptionOptions } from './subscription.ts'

/** Whoever does not end when aborted is left behind after so long. */
const END_WAIT_MAX_MS = 5_000

export interface Attempt extends Picked {
  readonly seq: number
  readonly deadlineMs: number
  controller?: AbortController
  /** Why it is aborted, also before it asks for its signal. */
  abortedBy?: PolityError
  /** Its entry could not be read: it was no attempt. */
  isUnread: boolean
  /** It is being given up. */
  isEnding: boolean
  /** Its outcome counts no more. */
  isOver: boolean
}

/** Owned by the subscriber. */
export class Attempts {
  readonly #env: Env
  readonly #underWay = new Set<Attempt>()
  #ended = () => {}

  constructor(env: Env) {
    this.#env = env
  }

  get count(): number {
    return this.#underWay.size
  }

  begin({ item, parked }: Picked, ackWaitMs: number): Attempt {
    const attempt: Attempt = {
      seq: item?.seq ?? parked?.seq ?? 0,
      item,
      parked,
      deadlineMs: this.#env.monotonic() + ackWaitMs,
      isUnread: false,
      isEnding: false,
      isOver: false,
    }
    this.#underWay.add(attempt)
    return attempt
  }

  /** Whether the attempt still counted. */
  end(attempt: Attempt): boolean {
    if (attempt.isOver) return false
    attempt.isOver = true
    this.#underWay.delete(attempt)
    if (this.#underWay.size === 0) this.#ended()
    return true
  }

  /** Those that took too long. */
  overdue(nowMs: number): readonly Attempt[] {
    const overdue: Attempt[] = []
    for (const attempt of this.#underWay) {
      if (attempt.deadlineMs > nowMs) break
      if (!attempt.isEnding) overdue.push(attempt)
    }
    return overdue
  }

  /** All wait equally long, so the oldest is due first. */
  nextDeadlineMs(): number | undefined {
    for (const { isEnding, deadlineMs } of this.#underWay) if (!isEnding) return deadlineMs
    return undefined
  }

  /** Resolves when all have ended or had their time; answers those that did not end. */
  async abort(name: string): Promise<readonly Attempt[]> {
    if (this.#underWay.size === 0) return []
    const ended = Promise.withResolvers<void>()
    this.#ended = ended.resolve
    const reason = new PolityError(
      'cancelled',
      `the subscription ${JSON.stringify(name)} was moved or closed`,
    )
    for (const attempt of this.#underWay) {
      attempt.abortedBy = reason
      attempt.controller?.abort(reason)
    }
    const done = new AbortController()
    await Promise.race([ended.promise, pause(this.#env, END_WAIT_MAX_MS, done.signal)])
    done.abort()
    const left = [...this.#underWay]
    for (const attempt of left) attempt.isOver = true
    this.#underWay.clear()
    return left
  }
}

/** Reads the entry where it has to be read again, and hands it over. */
export async function carryOut(
  attempt: Attempt,
  options: SubscriptionOptions,
  load: (seq: number) => Promise<Entry | undefined>,
): Promise<void> {
  const { item, parked, seq } = attempt
  const entry = item?.entry ?? (await loaded(attempt, load))
  if (entry === undefined)
    throw new PolityError('log.pruned', `entry ${seq} was pruned before it was handled`)
  const { filter, key } = options
  // What was thrown when it came in is thrown again here.
  if (item?.key === undefined) key?.(entry)
  if (filter && !filter(entry)) return
  await options.handle(entry, {
    attempt: (parked?.attempts ?? 0) + 1,
    get signal() {
      attempt.controller ??= new AbortController()
      if (attempt.abortedBy) attempt.controller.abort(attempt.abortedBy)
      return attempt.controller.signal
    },
  })
}

async function loaded(
  attempt: Attempt,
  load: (seq: number) => Promise<Entry | undefined>,
): Promise<Entry | undefined> {
  try {
    return await load(attempt.seq)
  } catch (error) {
    attempt.isUnread = true
    throw error
  }
}
