// Stages of a start: begun as soon as what they need stands, stopped in reverse, and rolled back together when one that must not fail does.

import { type Env, pause } from '../kernel/env.ts'
import { asPolityError, PolityError } from '../kernel/errors.ts'
import { STAGE_REASON_SIZE_MAX, type StageReport } from '../kernel/system/stage-report.ts'
import { once } from '../kit/once.ts'
import { requireSound } from './graph.ts'

export interface Stage {
  readonly id: string
  /** These must have passed; otherwise the stage is skipped. */
  readonly requires?: readonly string[]
  /** These must have ended, however; names of stages that are not part of this start mean nothing. */
  readonly after?: readonly string[]
  /** The start goes on without it, and without what requires it. A stage that may not fail may not be skipped either. */
  readonly mayFail?: boolean
  /** For start and readiness together; absent: as long as it takes. */
  readonly timeoutMs?: number
  /** Absent: as long as it takes. */
  readonly stopTimeoutMs?: number
  /** The signal aborts when the stage is too late or the start is given up. */
  start(signal: AbortSignal): Started | Promise<Started>
}

export interface Started {
  /** Resolves once it does what it is there for. */
  ready?(signal: AbortSignal): Promise<void>
  stop?(): void | Promise<void>
}

export interface BootOptions {
  readonly env: Pick<Env, 'now' | 'monotonic' | 'sleepUntil'>
  /** Gives the start up; what has started is stopped again. */
  readonly signal?: AbortSignal
  /** Each stage as it ends, also when the start fails. */
  readonly onReport?: (report: StageReport) => void
  /** A stage that may fail did, or one could not be stopped. */
  readonly onFailure?: (error: PolityError) => void
}

export interface Booted {
  /** In the order in which the stages ended. */
  readonly reports: readonly StageReport[]
  /** Dependants first, side by side where they can be. Rejects with the first failure, after everything was stopped. */
  stop(): Promise<void>
}

/**
 * Starts every stage, as many at a time as their order allows. Throws what the first stage threw that may not fail
 * (or `boot.timeout`, `cancelled`), after everything that had started was stopped again; `boot.invalid` and
 * `boot.cycle` before anything starts.
 */
export async function boot(stages: readonly Stage[], options: BootOptions): Promise<Booted> {
  requireSound(stages)
  const start = new Start(stages, options)
  const failure = await start.run()
  if (failure === undefined) return { reports: start.reports, stop: () => start.stop() }
  await start.stop().catch((error: unknown) => options.onFailure?.(asPolityError(error)))
  throw failure.error
}

class Start {
  readonly reports: StageReport[] = []
  readonly #stages: readonly Stage[]
  readonly #options: BootOptions
  readonly #givingUp = new AbortController()
  readonly #standing = new Map<string, { readonly stage: Stage; readonly stop: () => Promise<void> }>()
  #failure: { readonly error: unknown } | undefined
  #stopping: Promise<void> | undefined

  constructor(stages: readonly Stage[], options: BootOptions) {
    this.#stages = stages
    this.#options = options
  }

  /** Answers the failure for which the start is given up, once nothing is under way any more. */
  async run(): Promise<{ readonly error: unknown } | undefined> {
    const { signal } = this.#options
    const giveUp = () =>
      this.#giveUp(new PolityError('cancelled', 'the start was given up', {}, signal?.reason))
    signal?.addEventListener('abort', giveUp, { once: true })
    if (signal?.aborted) giveUp()
    const ended = new Map<string, PromiseWithResolvers<StageReport['status']>>(
      this.#stages.map(({ id }) => [id, Promise.withResolvers()]),
    )
    const carry = async (stage: Stage) => {
      const { id, requires = [], after = [] } = stage
      await Promise.all([...requires, ...after].map((each) => ended.get(each)?.promise))
      ended.get(id)?.resolve(await this.#carry(stage))
    }
    await Promise.all(this.#stages.map(carry))
    signal?.removeEventListener('abort', giveUp)
    return this.#failure
  }

  async #carry(stage: Stage): Promise<StageReport['status']> {
    const { id, requires = [], mayFail = false } = stage
    const missing = requires.find((each) => !this.#standing.has(each))
    if (this.#givingUp.signal.aborted)
      return this.#report({ stage: id, status: 'skipped', durationMs: 0, reason: 'the start was given up' })
    if (missing !== undefined) {
      const reason = `it requires ${missing}, which does not stand`
      if (!mayFail)
        this.#giveUp(new PolityError('boot.failed', `${id} cannot start: ${reason}`, { stage: id }))
      return this.#report({ stage: id, status: 'skipped', durationMs: 0, reason })
    }
    const { env, onFailure } = this.#options
    const startedAt = new Date(env.now()).toISOString()
    const beganAt = env.monotonic()
    const report = (status: StageReport['status'], reason?: string) =>
      this.#report({
        stage: id,
        status,
        startedAt,
        durationMs: Math.round(env.monotonic() - beganAt),
        ...(reason === undefined ? {} : { reason: reason.slice(0, STAGE_REASON_SIZE_MAX) }),
      })
    try {
      await this.#within(stage)
      return report('passed')
    } catch (thrown) {
      const error = asPolityError(thrown)
      if (mayFail) onFailure?.(error)
      else this.#giveUp(thrown)
      return report('failed', error.message)
    }
  }

  /** Starts a stage within its time. What starts too late, or only after the start was given up, is stopped again. */
  async #within(stage: Stage): Promise<void> {
    const { env } = this.#options
    const late = new AbortController()
    const signal = AbortSignal.any([late.signal, this.#givingUp.signal])
    const starting = this.#start(stage, signal)
    if (stage.timeoutMs === undefined) return starting
    const timer = new AbortController()
    try {
      await Promise.race([
        starting,
        pause(env, stage.timeoutMs, timer.signal).then(() => {
          if (timer.signal.aborted) return
          const error = new PolityError(
            'boot.timeout',
            `${stage.id} was not ready within ${stage.timeoutMs} ms`,
            { stage: stage.id, timeoutMs: stage.timeoutMs },
          )
          late.abort(error)
          throw error
        }),
      ])
    } finally {
      timer.abort()
      // Whoever raced it is gone; how it ends is seen to in `#start`.
      starting.catch(() => undefined)
    }
  }

  async #start(stage: Stage, signal: AbortSignal): Promise<void> {
    const started = await stage.start(signal)
    const stop = once(async () => started.stop?.())
    try {
      if (!signal.aborted) await started.ready?.(signal)
      signal.throwIfAborted()
    } catch (error) {
      await stop().catch((thrown: unknown) => this.#options.onFailure?.(asPolityError(thrown)))
      throw error
    }
    this.#standing.set(stage.id, { stage, stop })
  }

  #report(report: StageReport): StageReport['status'] {
    this.reports.push(report)
    this.#options.onReport?.(report)
    return report.status
  }

  #giveUp(error: unknown): void {
    this.#failure ??= { error }
    this.#givingUp.abort(this.#failure.error)
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll()
    return this.#stopping
  }

  async #stopAll(): Promise<void> {
    const ended = new Map(
      [...this.#standing.keys()].map((id) => [id, Promise.withResolvers<void>()] as const),
    )
    const failures: unknown[] = []
    const end = async ({ stage, stop }: { readonly stage: Stage; readonly stop: () => Promise<void> }) => {
      const above = [...this.#standing.values()].filter(
        ({ stage: { requires = [], after = [] } }) => requires.includes(stage.id) || after.includes(stage.id),
      )
      await Promise.all(above.map((each) => ended.get(each.stage.id)?.promise))
      await this.#stopWithin(stage, stop).catch((error: unknown) => failures.push(error))
      ended.get(stage.id)?.resolve()
    }
    await Promise.all([...this.#standing.values()].map(end))
    if (failures.length > 0) throw failures[0]
  }

  async #stopWithin({ id, stopTimeoutMs }: Stage, stop: () => Promise<void>): Promise<void> {
    if (stopTimeoutMs === undefined) return stop()
    const timer = new AbortController()
    const stopped = stop()
    try {
      await Promise.race([
        stopped,
        pause(this.#options.env, stopTimeoutMs, timer.signal).then(() => {
          if (timer.signal.aborted) return
          throw new PolityError('boot.timeout', `${id} did not stop within ${stopTimeoutMs} ms`, {
            stage: id,
          })
        }),
      ])
    } finally {
      timer.abort()
      stopped.catch(() => undefined)
    }
  }
}
