// Records decisions that nothing follows: what was denied, suspended or refused by its room, of actions and of queries alike.

import { hash } from 'node:crypto'
import type { Env } from '../env.ts'
import type { PolityError } from '../errors.ts'
import { statedIn } from '../gate/context.ts'
import type { Verdict } from '../gate/types.ts'
import type { Log } from '../log/log.ts'
import { KnownOpenings } from '../schema/privacy.ts'
import { type Held, NOTHING_HELD } from './approval-desk.ts'
import type { Caller } from './caller.ts'
import {
  type CommittedInput,
  type Decision,
  decisionDraft,
  evidenceRows,
  outcomeRisk,
  rememberEvidence,
} from './decide.ts'
import type { Definition } from './definition.ts'
import type { DenialWindow, Kind } from './denials.ts'
import { actorOf, type Origin, seal } from './recorder.ts'
import { ActionFinished } from './records.ts'

export interface RefusalPorts {
  readonly log: Pick<Log, 'append' | 'cursorAt'>
  readonly env: Env
  /** `polity://realm` */
  readonly source: string
  readonly denials: DenialWindow
  /** Digests of entity snapshots that the store already holds. */
  readonly evidenceWritten: Set<string>
  /** Hears of every decision, before anything comes of it; of what is decided again each time. */
  readonly onDecided?: (decision: Decision) => void
}

/** Somebody asked for something, and what the gate said. */
export interface Refusal {
  readonly caller: Caller
  readonly definition: Definition
  readonly committed: CommittedInput
  readonly decision: Decision
}

/** Resolves once the denial is recorded or counted: a burst of equal ones leaves one entry with a count. Never rejects. */
export const noteDenial = (ports: RefusalPorts, refusal: Refusal): Promise<void> =>
  ports.denials.note(kindOf(refusal), (count) => recordRefusal(ports, refusal, count > 1 ? { count } : {}))

/**
 * Equal are requests of the same chain of which rules could tell nothing apart but the moment, and which got the same
 * answer. What was graver, or fell to another rule, never hides behind what was harmless; only facts may, in a flood.
 */
function kindOf({ caller, definition, decision: { resource, verdict } }: Refusal): Kind {
  const { effect, wouldEffect = null, reasons, obligations, shadow, mode, modeBy, risk, evidence } = verdict
  const answer = [effect, wouldEffect, reasons, obligations, shadow, mode, modeBy, risk, evidence.bundle]
  const group = digestOf([caller.chain, definition.name, resource, answer])
  return { key: digestOf([group, statedIn(evidence.context)]), group }
}

const digestOf = (value: unknown): string => hash('sha256', JSON.stringify(value), 'base64url')

/** Whether only the roll-out let it be, or a rule in the shadow would have it otherwise: whoever tightens it wants to know. */
export const isTold = ({ effect, wouldEffect, shadow }: Verdict): boolean =>
  effect !== 'allow' || wouldEffect !== undefined || shadow.length > 0

/** One entry for the decision alone; answers the cursor that covers it. */
export async function recordRefusal(
  ports: RefusalPorts,
  { caller, definition, committed, decision }: Refusal,
  extra: { readonly count?: number } = {},
  held: Held = NOTHING_HELD,
): Promise<string> {
  const origin: Origin = { source: ports.source, actor: actorOf(caller.chain), correlationid: decision.id }
  const draft = decisionDraft(decision, definition, committed, extra)
  const { entries, seals } = seal([draft, ...held.drafts], origin, ports.env, new KnownOpenings())
  const rows = [...evidenceRows(decision, ports.evidenceWritten), ...held.rows]
  const receipt = await ports.log.append({
    entries,
    seals: [...seals, ...held.seals],
    rows,
    expect: held.expect,
  })
  rememberEvidence(decision, ports.evidenceWritten)
  return ports.log.cursorAt(receipt.first + receipt.count)
}

/** The decision to allow it, and the outcome that it failed, in one commit: the room itself refused. */
export async function recordFailure(
  ports: RefusalPorts,
  { caller, definition, committed, decision }: Refusal,
  { code, message }: PolityError,
): Promise<void> {
  const origin: Origin = {
    source: ports.source,
    actor: actorOf(caller.chain),
    correlationid: decision.id,
    causationid: decision.id,
  }
  const outcome = ActionFinished(
    {
      decision: decision.id,
      action: definition.name,
      status: 'failed',
      ...outcomeRisk(decision),
      code,
      message,
    },
    { subject: decision.resource },
  )
  const drafts = [decisionDraft(decision, definition, committed), outcome]
  const { entries, seals } = seal(drafts, origin, ports.env, new KnownOpenings())
  const rows = evidenceRows(decision, ports.evidenceWritten)
  await ports.log.append({ entries, seals, rows }, { isReserved: definition.isReserved ?? false })
  rememberEvidence(decision, ports.evidenceWritten)
}
