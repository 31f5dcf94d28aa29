// The handlers of a module whose runs do what a test tells them, and what such a test asks of a hub.

import { onTestFinished } from 'vitest'
import type { Hub } from '../../../src/hub.ts'
import type { Caller } from '../../../src/kernel/catalog/caller.ts'
import type { CommandContext } from '../../../src/kernel/catalog/context.ts'
import type { InvokeOptions } from '../../../src/kernel/catalog/invoke.ts'
import { defineModule, type Module } from '../../../src/kernel/catalog/module.ts'
import * as contract from './flow.contract.ts'
import { atomically, counted, part, play, playOnce, versioned, working } from './flow.contract.ts'

export interface FlowInput {
  readonly mark?: string
  readonly secret?: unknown
}
export type Flow = (ctx: CommandContext, input: FlowInput) => unknown

/** `part` is what children do. */
export const flow = (body: Flow, partBody: Flow = () => null): Module =>
  defineModule(
    'flow',
    { url: new URL('./flow.contract.ts', import.meta.url).href, exports: contract },
    {
      commands: [
        ...[play, playOnce, versioned, atomically, working].map((each) =>
          each.handle(async (ctx, input) => ({ result: (await body(ctx, input)) ?? null })),
        ),
        part.handle(async (ctx, input) => ({ result: (await partBody(ctx, input)) ?? null })),
        counted.handle((ctx, { by }) => {
          ctx.record(contract.Noted({ run: ctx.id, note: `${by}` }))
          return { sum: by }
        }),
      ],
    },
  )

/** Begins a run and answers its id. */
export async function begin(
  hub: Hub,
  caller: Caller,
  action = 'flow.play',
  input: FlowInput = {},
  options: InvokeOptions = {},
): Promise<string> {
  const answer = await hub.invoke(caller, action, input, { ...options, wait: false })
  if (!('run' in answer) || answer.run === undefined) throw new Error(`${action} is ${answer.status}`)
  return answer.run
}

export interface RunSeen {
  readonly status: string
  readonly code?: string
  readonly message?: string
  readonly reason?: string
  readonly step?: string
  readonly notUndone?: readonly string[]
}

export const stateOf = async (hub: Hub, run: string, caller: Caller = hub.owner): Promise<RunSeen> =>
  (await hub.ask(caller, 'runs.get', { run })).output as RunSeen

/** The next entry of a type about the run, which may have come already. */
export async function told(hub: Hub, type: string, run: string): Promise<Readonly<Record<string, unknown>>> {
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  for await (const page of hub.log.follow(undefined, stop.signal))
    for (const entry of page) if (entry.type === type && entry.data.run === run) return entry.data
  throw new Error('the hub closed')
}

/** What became of the run; `nth` counts its outcomes, since one that was unknown goes on once it is resolved. */
export async function outcome(hub: Hub, run: string, nth = 1): Promise<Readonly<Record<string, unknown>>> {
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  let seen = 0
  for await (const page of hub.log.follow(undefined, stop.signal))
    for (const { type, data } of page)
      if (type === 'action.finished@1' && data.run === run && ++seen === nth) return data
  throw new Error('the hub closed')
}

export interface StepSeen {
  readonly name: string
  readonly kind: string
  readonly state: string
  readonly attempts: number
  readonly result?: unknown
  readonly code?: string
}

export const journalOf = async (hub: Hub, run: string, caller: Caller = hub.owner) =>
  (await hub.ask(caller, 'runs.journal', { run })).output as {
    readonly digest: string
    readonly isAsRecorded?: boolean
    readonly items: readonly StepSeen[]
    readonly after?: number
  }

export const replayOf = async (hub: Hub, run: string) =>
  (await hub.ask(hub.owner, 'runs.replay', { run })).output as {
    readonly isSame: boolean
    readonly steps: number
    readonly departure?: { readonly step?: string; readonly sentence: string }
  }

/** Resolves when it was called `times` times. */
export function calls(times = 1): { readonly call: () => void; readonly reached: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = times
  return {
    call: () => {
      left -= 1
      if (left === 0) resolve()
    },
    reached: promise,
  }
}

/** For bodies that are to be stopped: never answers, and rejects when it is told to stop. */
export const untilStopped = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
