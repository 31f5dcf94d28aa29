// A durable execution in memory for tests: a journal that survives, and lives that end wherever a test wants.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import { PolityError } from '../../kernel/errors.ts'

/** What a crash throws: nobody may take it for a failure. */
class Crash extends Error {}

interface Recorded {
  readonly result?: unknown
  readonly error?: PolityError
}

export interface Lab {
  /** Results by journal name, over all lives. */
  readonly journal: Map<string, Recorded>
  /** Every action that was asked for, in order. */
  readonly asked: [name: string, input: unknown][]
  readonly signals: Map<string, unknown>
  readonly sleeps: unknown[]
  /** Carries a body out; the life ends after so many recorded steps, and the next one begins. Answers how many lives it took. */
  live<T>(
    body: (ctx: CommandContext) => Promise<T>,
    stepsPerLife?: number,
  ): Promise<{ readonly result: T; readonly lives: number }>
}

interface Life {
  left: number
  readonly ending: AbortController
}

const LIVES_MAX = 1_000

export function openLab(act: (name: string, input: unknown) => unknown): Lab {
  const journal = new Map<string, Recorded>()
  const asked: Lab['asked'] = []
  const signals = new Map<string, unknown>()
  const sleeps: unknown[] = []
  return {
    journal,
    asked,
    signals,
    sleeps,
    async live(body, stepsPerLife = Number.POSITIVE_INFINITY) {
      for (let lives = 1; lives < LIVES_MAX; lives++) {
        const life: Life = { left: stepsPerLife, ending: new AbortController() }
        try {
          return { result: await body(contextOf({ journal, asked, signals, sleeps }, life, '', act)), lives }
        } catch (error) {
          // Whatever a life throws after its end is of no account.
          if (!life.ending.signal.aborted) throw error
        }
      }
      throw new Error('it never ends')
    },
  }
}

function contextOf(
  lab: Omit<Lab, 'live'>,
  life: Life,
  prefix: string,
  act: (name: string, input: unknown) => unknown,
): CommandContext {
  const seen = new Set<string>()
  const scope = (group: string, part: string | number) => {
    if (`${group}${part}`.includes('/')) throw new Error(`${group} and ${part} are names without a slash`)
    return contextOf(lab, life, `${prefix}${group}/${part}/`, act)
  }
  const once = async (name: string, body: () => unknown): Promise<unknown> => {
    const place = `${prefix}${name}`
    if (seen.has(place)) throw new Error(`${place} is taken twice`)
    seen.add(place)
    const known = lab.journal.get(place) ?? (await recorded(body))
    if (!lab.journal.has(place)) {
      // The body has run, and its result is lost with the life.
      if (life.left-- <= 0) {
        life.ending.abort()
        throw new Crash()
      }
      lab.journal.set(place, known)
    }
    if (known.error) throw known.error
    return known.result
  }
  const invoke = async ({ name }: { readonly name: string }, input: unknown) => {
    lab.asked.push([name, input])
    return act(name, input)
  }
  const context = {
    id: 'run-1',
    now: '2026-01-01T00:00:00.000Z',
    signal: life.ending.signal,
    invoke,
    ask: invoke,
    step: (name: string, body: (step: unknown) => unknown) =>
      once(name, () => body({ heartbeat: () => undefined })),
    sleep: (name: string, how: unknown) =>
      once(name, () => {
        lab.sleeps.push(how)
      }),
    signalled: (name: string) =>
      once(name, () => {
        if (lab.signals.has(name)) return lab.signals.get(name)
        throw new PolityError('run.no-signal', `${name} did not come`)
      }),
    async parallel(name: string, branches: Readonly<Record<string, (each: CommandContext) => unknown>>) {
      const entries = await Promise.all(
        Object.entries(branches).map(async ([branch, body]) => [branch, await body(scope(name, branch))]),
      )
      return Object.fromEntries(entries)
    },
    async forEach(
      name: string,
      items: readonly unknown[],
      body: (each: CommandContext, item: unknown, index: number) => unknown,
    ) {
      const results: unknown[] = []
      for (const [index, item] of items.entries()) results.push(await body(scope(name, index), item, index))
      return results
    },
  }
  return context as unknown as CommandContext
}

async function recorded(body: () => unknown): Promise<Recorded> {
  try {
    return { result: JSON.parse(JSON.stringify((await body()) ?? null)) }
  } catch (error) {
    if (error instanceof PolityError) return { error }
    throw error
  }
}
