// What the handler of a run sees, in each of its scopes.

import { callerOf } from '../catalog/caller.ts'
import type { CommandContext } from '../catalog/context.ts'
import type { WorkingRows } from '../catalog/working-rows.ts'
import { PolityError } from '../errors.ts'
import { askWithin, invokeWithin } from './asking.ts'
import { forEach, parallel } from './groups.ts'
import type { Life } from './life.ts'
import type { Scope } from './scope.ts'
import { takeStep } from './steps.ts'
import { signalled, sleep } from './waits.ts'

export function scopeIn(life: Life, prefix: string, signal: AbortSignal): Scope {
  const scope = { life, prefix, signal, underWay: new Set<string>() }
  const inner: Scope['inner'] = (within, stop) => scopeIn(life, within, stop)
  return Object.assign(scope, { inner, context: contextOf(scope) })
}

function contextOf(bare: Omit<Scope, 'context' | 'inner'>): CommandContext {
  const { life, signal } = bare
  const { row, ports, drafts } = life
  const scope = bare as Scope
  return {
    ...ports.reads,
    id: row.id,
    ...callerOf(row),
    now: row.startedAt,
    signal,
    rows: noRows(row.action),
    record: (...more) => drafts.push(...more),
    shred: () => {
      throw new PolityError('internal', `${row.action} is not atomic: only an atomic command erases`)
    },
    onCommitted: (listener) => life.listeners.push(listener),
    step: async (name, body, options = {}) => takeStep(scope, { name, kind: 'step', body, options }),
    sleep: async (name, how) => sleep(scope, name, how),
    signalled: async (name, options = {}) => signalled(scope, name, options),
    parallel: async (name, branches) => (await parallel(scope, name, branches)) as never,
    forEach: async (name, items, body, options) => forEach(scope, name, items, body, options),
    invoke: async (definition, input) => (await invokeWithin(scope, definition, input)) as never,
    ask: async (definition, input) => (await askWithin(scope, definition, input)) as never,
    progress: (progress) => ports.onProgress(row, progress),
  }
}

/** Runs have no working rows: what they keep is in their journal. */
export function noRows(action: string): WorkingRows {
  const refused = () =>
    new PolityError('internal', `${action} is a run: working rows are for atomic commands`)
  return {
    get: () => Promise.reject(refused()),
    scan: () => Promise.reject(refused()),
    write: () => {
      throw refused()
    },
  }
}
