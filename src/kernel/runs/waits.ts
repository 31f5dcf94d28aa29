// Waits: for a time, or for a signal. They outlive every crash, and take no place among the runs that work.

import { PolityError } from '../errors.ts'
import { pages } from '../store/pages.ts'
import { RUNS_SIGNALS, type SignalRow } from './control.ts'
import { errorOfStep, type StepRow } from './journal.ts'
import type { Life } from './life.ts'
import type { Scope } from './scope.ts'

/** ECMAScript: the last millisecond that is a date. */
const TIME_MAX_MS = 8.64e15

type Place = Pick<StepRow, 'kind' | 'isLoose'>

/** Inside of a step's body nobody comes by again, once that step has its result. */
const loose = ({ underWay }: Scope): { readonly isLoose?: true } =>
  underWay.size > 0 ? { isLoose: true } : {}

export type SleepHow = { readonly forMs: number } | { readonly untilMs: number }

/** Ends at once when the time had passed while nobody carried the run out. */
export async function sleep(scope: Scope, called: string, how: SleepHow): Promise<void> {
  const { life } = scope
  const { env, alarms } = life.ports
  const name = `${scope.prefix}${called}`
  const before = life.journal.visit(name, 'sleep')
  if (before?.state === 'done') return
  const untilMs = before?.untilMs ?? endOf(name, how, env.now())
  const place = { kind: 'sleep', ...loose(scope) } as const
  await life.proceed(scope.signal)
  if (!before) await begin(scope, name, place, untilMs)
  await life.idle(() => alarms.at(untilMs, scope.signal))
  // A crash before the next commit finds that the time has passed.
  life.ride(life.journal.write(name, { ...place, state: 'done', atMs: env.now(), untilMs }))
}

/** The payload of the oldest signal of this name, which is taken with the commit that says so. */
export async function signalled(
  scope: Scope,
  called: string,
  { timeoutMs }: { readonly timeoutMs?: number },
): Promise<unknown> {
  const { life } = scope
  const { env } = life.ports
  const name = `${scope.prefix}${called}`
  const before = life.journal.visit(name, 'signal')
  const known = before?.state === 'started' ? undefined : before
  if (known) return answerOf(known)
  if (scope.underWay.has(name))
    throw new PolityError('internal', `${life.row.action} waits for ${name.slice(0, 64)} twice at a time`)
  const place = { kind: 'signal', ...loose(scope) } as const
  scope.underWay.add(name)
  try {
    await life.proceed(scope.signal)
    const untilMs =
      before === undefined && timeoutMs !== undefined
        ? endOf(name, { forMs: timeoutMs }, env.now())
        : before?.untilMs
    return await awaitSignal(scope, { called, name, place, isBegun: before !== undefined, untilMs })
  } finally {
    scope.underWay.delete(name)
  }
}

interface AwaitedSignal {
  /** What the signal is called: the name without its scope. */
  readonly called: string
  readonly name: string
  readonly place: Place
  readonly isBegun: boolean
  readonly untilMs: number | undefined
}

async function awaitSignal(scope: Scope, awaited: AwaitedSignal): Promise<unknown> {
  const { life } = scope
  const { env, alarms } = life.ports
  const { called, name, place, untilMs } = awaited
  for (let { isBegun } = awaited; ; isBegun = true) {
    const news = heard(life, scope.signal)
    try {
      const taken = await takeSignal(life, awaited)
      if (taken) return taken.payload
      if (untilMs !== undefined && env.now() >= untilMs) break
      if (!isBegun) await begin(scope, name, place, untilMs)
      await life.idle(() =>
        untilMs === undefined ? news.promise : Promise.race([news.promise, alarms.at(untilMs, news.over)]),
      )
    } finally {
      news.end()
    }
  }
  const result = { code: 'run.no-signal', message: `no signal ${called} came in time`, facts: { step: name } }
  await life.commit(life.journal.write(name, { ...place, state: 'failed', atMs: env.now(), result }))
  return answerOf(life.journal.row(name))
}

/** News from this moment on, so that what comes while the rows are read is not missed. */
function heard(life: Life, signal: AbortSignal) {
  const ending = new AbortController()
  const over = AbortSignal.any([signal, ending.signal])
  const promise = life.news(over)
  // It may be that nobody waits for it.
  promise.catch(() => undefined)
  return { promise, over, end: () => ending.abort() }
}

function answerOf(row: StepRow | undefined): unknown {
  if (row?.state === 'failed') throw errorOfStep(row)
  return row?.result
}

/** Says that the run waits, together with what was not yet written of what came before. */
async function begin(
  { life }: Scope,
  name: string,
  place: Place,
  untilMs: number | undefined,
): Promise<void> {
  const atMs = life.ports.env.now()
  const wait = { ...place, state: 'started', atMs, ...(untilMs === undefined ? {} : { untilMs }) } as const
  await life.commit(life.journal.write(name, wait))
}

async function takeSignal(
  life: Life,
  { called, name, place }: AwaitedSignal,
): Promise<{ readonly payload: unknown } | undefined> {
  const { reader, cipher, env } = life.ports
  // Of two waits for one name, each takes a signal of its own.
  return life.oneAtATime(async () => {
    for await (const page of pages(reader, RUNS_SIGNALS, { prefix: `${life.id}/` }))
      for (const { key, value, version } of page) {
        const signal = JSON.parse(value) as SignalRow
        if (signal.name !== called) continue
        const payload = JSON.parse(cipher.open(signal.sealed, key)) as unknown
        await life.commit(
          life.journal.write(name, { ...place, state: 'done', atMs: env.now(), result: payload }),
          {
            rows: [{ table: RUNS_SIGNALS, key, value: null, expiresAtMs: env.now() }],
            expect: [{ table: RUNS_SIGNALS, key, version }],
          },
        )
        return { payload }
      }
    return undefined
  })
}

/** Throws `limit` for a time that is none. */
function endOf(name: string, how: SleepHow, nowMs: number): number {
  const untilMs = 'untilMs' in how ? how.untilMs : nowMs + Math.max(how.forMs, 0)
  if (Number.isFinite(untilMs) && Math.abs(untilMs) <= TIME_MAX_MS) return Math.ceil(untilMs)
  throw new PolityError('limit', `${name} would end at a time that no clock shows`, { step: name })
}
