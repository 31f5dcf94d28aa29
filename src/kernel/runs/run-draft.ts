// A run as it is drafted, before its decision is recorded.

import type { CarriersPorts } from './carriers.ts'
import type { LifePorts } from './life.ts'
import type { RunRow } from './run.ts'

export interface RunDraft
  extends Omit<RunRow, 'status' | 'journalSalt' | 'carrier' | 'journalVersion' | 'callback'> {
  /** Where to send word of the end. */
  readonly callbackUrl?: string
}

type DraftPorts = Pick<LifePorts, 'env' | 'handlerOf' | 'callbacks'> & Pick<CarriersPorts, 'holder'>

/** Throws `egress.invalid`. */
export function newRow({ env, holder, handlerOf, callbacks }: DraftPorts, asked: RunDraft): RunRow {
  const { callbackUrl, ...draft } = asked
  const journalSalt = Buffer.from(env.random(32)).toString('hex')
  const { journal } = handlerOf(draft.action).definition
  const version = journal === undefined ? {} : { journalVersion: journal }
  const callback = callbackUrl === undefined ? undefined : callbacks?.seal(callbackUrl, draft.id)
  return {
    ...draft,
    ...version,
    ...(callback === undefined ? {} : { callback }),
    status: 'running',
    journalSalt,
    carrier: holder,
  }
}
