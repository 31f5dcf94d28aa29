// A change of what the hub works by (configuration, routes, rules): validated, rehearsed, swapped, watched, and taken back when it does harm.

import type { CommandContext, StepContext } from '../catalog/context.ts'
import { type Env, pause } from '../env.ts'

/** What one kind of change does in each phase. Rehearsals are JSON: they are kept over a crash. */
export interface Change<R> {
  /** Throws what is wrong with it; nothing has happened then. */
  validate(): void | Promise<void>
  /** What it would do. */
  rehearse(): R | Promise<R>
  /** Nothing would be different: there is nothing to swap. */
  isIdle?(rehearsal: R): boolean
  /**
   * Puts it in force. Runs again after a crash in the middle; facts are recorded through the step, once. It may take
   * long, as people may have to agree.
   */
  swap(rehearsal: R, step: StepContext): void | Promise<void>
  /** The rehearsal with what came since, up to the swap. */
  rehearseSince?(rehearsal: R, step: StepContext): R | Promise<R>
  /** Why it does harm; undefined: it does none that can be seen. */
  fault(rehearsal: R): string | undefined | Promise<string | undefined>
  /** Puts back what was before. Runs again after a crash in the middle. */
  rollBack(rehearsal: R, reason: string, step: StepContext): void | Promise<void>
}

export interface WatchWindow {
  /** For how long it is watched; 0: one look. */
  readonly watchMs: number
  readonly everyMs: number
}

export type ChangeOutcome<R> =
  | { readonly status: 'changed' | 'unchanged'; readonly rehearsal: R }
  | { readonly status: 'rolled-back'; readonly rehearsal: R; readonly reason: string }

/** Carries a change out in the named steps of a run, so that a crash goes on where it was. Throws what `validate` and `swap` throw. */
export async function carryChange<R>(
  ctx: Pick<CommandContext, 'step'>,
  env: Pick<Env, 'now' | 'monotonic' | 'sleepUntil'>,
  change: Change<R>,
  window: WatchWindow,
): Promise<ChangeOutcome<R>> {
  await ctx.step('validate', async () => {
    await change.validate()
    return null
  })
  const rehearsed = await ctx.step('rehearse', () => change.rehearse())
  if (change.isIdle?.(rehearsed) === true) return { status: 'unchanged', rehearsal: rehearsed }
  const since = await ctx.step('swap', async (step) => {
    await change.swap(rehearsed, step)
    return (await change.rehearseSince?.(rehearsed, step)) ?? null
  })
  const rehearsal = since ?? rehearsed
  const left = { ...window, watchMs: await leftOf(ctx, env, window) }
  const reason = await ctx.step('watch', (step) => watch(env, change, rehearsal, left, step))
  if (reason === null) return { status: 'changed', rehearsal }
  await ctx.step('roll-back', async (step) => {
    await change.rollBack(rehearsal, reason, step)
    return null
  })
  return { status: 'rolled-back', rehearsal, reason }
}

/** When the watch began is kept, so that it ends when it was to end, whoever carries it on. A clock that is set cannot make it longer. */
async function leftOf(
  ctx: Pick<CommandContext, 'step'>,
  env: Pick<Env, 'now'>,
  { watchMs }: WatchWindow,
): Promise<number> {
  // Taken whatever the window is: another one may be in force when it is carried on.
  const beganAtMs = await ctx.step('watch/began', () => env.now(), { isPure: true })
  return Math.min(watchMs, Math.max(0, beganAtMs + watchMs - env.now()))
}

/** The first fault within the window; null: none. What cannot be looked at is a fault. */
async function watch<R>(
  env: Pick<Env, 'monotonic' | 'sleepUntil'>,
  change: Change<R>,
  rehearsal: R,
  { watchMs, everyMs }: WatchWindow,
  { signal }: StepContext,
): Promise<string | null> {
  const untilMs = env.monotonic() + watchMs
  for (;;) {
    const reason = await faultOf(change, rehearsal)
    if (reason !== undefined) return reason
    const leftMs = untilMs - env.monotonic()
    if (leftMs <= 0) return null
    await pause(env, Math.min(everyMs, leftMs), signal)
    signal.throwIfAborted()
  }
}

async function faultOf<R>(change: Change<R>, rehearsal: R): Promise<string | undefined> {
  try {
    return await change.fault(rehearsal)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
