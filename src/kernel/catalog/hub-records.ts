// Facts that the hub states by itself, without anybody having asked for an action.

import type { Env } from '../env.ts'
import type { Draft } from '../log/entry.ts'
import type { AppendOptions, Log } from '../log/log.ts'
import type { Proposal, Receipt } from '../log/proposal.ts'
import { KnownOpenings } from '../schema/privacy.ts'
import { seal } from './recorder.ts'

export const HUB_ACTOR = 'hub:polity'

export interface HubRecordPorts {
  readonly log: Pick<Log, 'append'>
  readonly env: Env
  /** `polity://realm` */
  readonly source: string
}

/** What is committed beside the facts. */
export type Beside = Pick<Proposal, 'expect' | 'rows' | 'pruneBelow'>

/** Throws what `Log.append` throws; `expectation.failed` where somebody was faster. */
export async function recordAsHub(
  { log, env, source }: HubRecordPorts,
  drafts: readonly Draft[],
  beside: Beside = {},
  options: AppendOptions = {},
): Promise<Receipt> {
  const origin = { source, actor: HUB_ACTOR, correlationid: env.id() }
  return log.append({ ...seal(drafts, origin, env, new KnownOpenings()), ...beside }, options)
}
