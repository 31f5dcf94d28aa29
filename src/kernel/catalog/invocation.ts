// One invocation: what it is asked with, what it works with, and what it is answered.

import type { Awaitable } from '../env.ts'
import type { Draft } from '../log/entry.ts'
import type { Durability, Log } from '../log/log.ts'
import type { Views } from '../log/views.ts'
import type { Runs } from '../runs/runs.ts'
import type { KnownOpenings } from '../schema/privacy.ts'
import type { StoreReader } from '../store/store.ts'
import type { Turns } from '../turns.ts'
import type { Vault } from '../vault/vault.ts'
import { type Fate, type Grant, type Held, NOTHING_HELD } from './approval-desk.ts'
import type { Caller } from './caller.ts'
import type { Catalog } from './catalog.ts'
import type { Agreed, CommittedInput, DecidePorts, Decision } from './decide.ts'
import type { CommandHandler } from './definition.ts'
import type { Beside } from './hub-records.ts'
import type { Idempotency, KeyRow } from './idempotency.ts'
import { actorOf, type Origin } from './recorder.ts'
import type { RefusalPorts } from './refusals.ts'

export interface InvokeOptions {
  /** Idempotency key: the same key and input answer the same; another input is `idempotency.conflict`. */
  readonly key?: string
  /** What must hold before the answer; default `committed`. `cosigned` is refused while no witness has to cosign. */
  readonly until?: Durability
  /** How long to wait for witnesses. */
  readonly waitMs?: number
  /** false: answer `running` as soon as a run's decision is durable. Default true. */
  readonly wait?: boolean
  /** The code of a run asks, as a part of it: the token's scope was for the run; the rules decide all the same. */
  readonly isPartOfRun?: boolean
  /** People agreed to the run that asks, at its risk. Never from outside. */
  readonly agreed?: Agreed
  /** People agreed to a request that was held: it is decided again, with what they granted. Never from outside. */
  readonly grant?: Grant
  /** The answer that the key has, and nothing is done for it: `erased` where there is none any more. */
  readonly isAnswerOnly?: boolean
  readonly correlationId?: string
  readonly traceparent?: string
  /** The run that asks: it waits for a run of its own without a place among those that work. */
  readonly parent?: string
  /** How many runs stand above the new one. */
  readonly depth?: number
  /** RFC 3339. A run that has not ended by then is undone and ends as failed: `run.deadline`. `input.invalid` for what takes no steps. */
  readonly deadline?: string
  /** Where to send word when the run has ended: `http:` or `https:`. Throws `egress.invalid`, and as `deadline`. */
  readonly callbackUrl?: string
}

export type Answer =
  | {
      readonly status: 'done'
      readonly decision: string
      readonly output: unknown
      readonly cursor: string
      readonly run?: string
    }
  | {
      readonly status: 'running'
      readonly decision: string
      readonly run: string
      readonly cursor: string
      /** Why a person is needed before it goes on. */
      readonly parked?: string
    }
  | {
      readonly status: 'denied'
      readonly decision: string
      readonly sentence: string
      readonly reasons: readonly string[]
    }
  | {
      readonly status: 'suspended'
      readonly decision: string
      readonly sentence: string
      readonly obligations: readonly string[]
      /** Under which people answer it; absent where nothing was kept. */
      readonly approval?: string
      readonly cursor: string
    }

export interface InvokePorts extends RefusalPorts, DecidePorts {
  readonly catalog: Catalog
  readonly approvals: ApprovalDesk
  readonly log: Log
  /** Reads that see what is committed, anchored or not: an atomic command must not work on less. */
  readonly committed: Views
  readonly vault: Vault
  readonly runs: Runs
  readonly idempotency: Idempotency
  readonly turns: Turns
  /** Working rows as they are committed. */
  readonly reader: Pick<StoreReader, 'load' | 'scan'>
}

/** Rejects with a coded error when the action was refused as malformed, conflicted or failed while it ran. */
export type Invoke = (
  caller: Caller,
  name: string,
  input: unknown,
  options?: InvokeOptions,
) => Promise<Answer>

/** One invocation on its way through the rooms. */
export interface Invocation {
  readonly id: string
  readonly caller: Caller
  readonly command: CommandHandler
  readonly input: Readonly<Record<string, unknown>>
  readonly committed: CommittedInput
  readonly known: KnownOpenings
  readonly decision: Decision
  readonly now: string
  readonly options: InvokeOptions
  readonly keyRow?: KeyRow
  /** What is committed with the decision, beside what the action does itself. */
  readonly beside: DecisionBeside
}

export interface DecisionBeside extends Pick<Beside, 'expect' | 'rows'> {
  readonly drafts: readonly Draft[]
}

export const originOf = (
  { source }: Pick<InvokePorts, 'source'>,
  { caller, id, options, decision }: Invocation,
): Origin => ({
  source,
  actor: actorOf(caller.chain),
  correlationid: options.correlationId ?? id,
  causationid: decision.id,
  ...(options.traceparent === undefined ? {} : { traceparent: options.traceparent }),
})

export const headCursor = ({ log }: Pick<InvokePorts, 'log'>): string => log.cursorAt(log.head().size)

/** Names the held request that a decision resumes. */
export const resumed = ({ grant }: InvokeOptions): { readonly approval?: string } =>
  grant === undefined ? {} : { approval: grant.id }

/** What the catalog needs of approvals: to keep a suspended request, and to have it carried out once people have agreed. */
export interface ApprovalDesk {
  /** Keeps a request whose decision is suspended. Its id is that of the decision. */
  hold(invocation: Invocation): Awaitable<Held>
  /** It is durable now: whoever can answer may be told. */
  onHeld(id: string): void
  /** How a held request ended; undefined while it waits. */
  fateOf(id: string): Awaitable<Fate | undefined>
  /** As `fateOf`, once it waits no more, whichever hub ends it. Rejects with the signal's reason. */
  closed(id: string, signal: AbortSignal): Promise<Fate>
  /** Ends a request that still waits, in the name of the hub: whoever asked does not wait for it any more. Answers how it ended. */
  withdraw(id: string, reason: string): Promise<Fate>
}

const noRequest = (id: string): Fate => ({
  isDone: false,
  status: 'void',
  code: 'denied',
  sentence: `there is no approval ${id}`,
})

/** Of a hub without people: what is suspended stays undone. */
export const NO_DESK: ApprovalDesk = {
  hold: () => NOTHING_HELD,
  onHeld: () => undefined,
  fateOf: noRequest,
  closed: async (id) => noRequest(id),
  withdraw: async (id) => noRequest(id),
}
