// Queries: decided like actions, but only one that is denied, or would be, leaves an entry, and none changes anything.

import { PolityError } from '../errors.ts'
import type { Gate } from '../gate/gate.ts'
import type { Risk } from '../gate/types.ts'
import type { Log } from '../log/log.ts'
import type { Views } from '../log/views.ts'
import { KnownOpenings } from '../schema/privacy.ts'
import { validate } from '../schema/schema.ts'
import type { Caller } from './caller.ts'
import type { Catalog } from './catalog.ts'
import { type Agreed, committedInput, type DecidePorts, type Decision, decide, isStale } from './decide.ts'
import type { QueryDefinition } from './definition.ts'
import { onBehalf } from './on-behalf.ts'
import { outageOf } from './outage.ts'
import { isTold, noteDenial, type RefusalPorts } from './refusals.ts'
import { type Traced, traceOf } from './trace.ts'

export interface AskPorts extends RefusalPorts, DecidePorts {
  readonly catalog: Catalog
  readonly log: Log
  readonly views: Views
}

export interface AskOptions {
  /** Answer from a state that includes everything up to this cursor. */
  readonly after?: string
  readonly signal?: AbortSignal
  /** The code of a run asks, as a part of it: the token's scope was for the run; the rules decide all the same. */
  readonly isPartOfRun?: boolean
  /** People agreed to the run that asks, at its risk. Never from outside. */
  readonly agreed?: Agreed
  /** What the query belongs to: rules may look at what was done before in the same trace. */
  readonly traced?: Traced
}

export interface AskAnswer {
  readonly definition: QueryDefinition
  readonly output: unknown
  /** What the answer reflects, at least. */
  readonly cursor: string
}

/** Throws `denied` with the gate's sentence, `gate.unavailable`, `input.invalid`, `name.unknown`, `cursor.ahead`, and what the query throws. */
export type Ask = (caller: Caller, name: string, input: unknown, options?: AskOptions) => Promise<AskAnswer>

/** What a door serves by itself under the name of a query, so that rules can speak about it. */
export interface Permitted {
  /** Default: an empty input. Not validated: the door made it. */
  readonly input?: Readonly<Record<string, unknown>>
  /** Default: that of the query. */
  readonly risk?: Risk
}

/** Whether the gate lets the caller ask this query, without asking it. Throws `denied` with the gate's sentence. */
export type Permit = (caller: Caller, name: string, permitted?: Permitted) => Promise<void>

/** How long a yes is a yes to the same question, unless other rules come into force: a door asks per request. */
const PERMITTED_FRESH_MS = 100
const PERMITTED_MAX = 1024

export function openPermit(ports: Omit<AskPorts, 'views'>): Permit {
  const { catalog, gate, standings, env } = ports
  let since: Since | undefined
  return async (caller, name, { input = {}, risk } = {}) => {
    const { definition } = catalog.query(name)
    const asked = risk === undefined ? definition : { ...definition, risk }
    const nowMs = env.now()
    const changes = standings.changes()
    const isFresh =
      since?.bundle === gate.bundle &&
      since.changes === changes &&
      Math.abs(nowMs - since.atMs) < PERMITTED_FRESH_MS
    if (!since || !isFresh || since.permitted.size >= PERMITTED_MAX)
      since = { permitted: new Set(), bundle: gate.bundle, changes, atMs: nowMs }
    // An answer that comes when others are in force is kept with those under which it was given.
    const { permitted } = since
    const question = JSON.stringify([caller.chain, caller.scopes, definition.name, input, asked.risk])
    if (permitted.has(question)) return
    const allowed = await requireAllowed(ports, { caller, definition: asked, input })
    // What was counted or noted is counted and noted each time, and so is what passed only because of the roll-out.
    if (!allowed.isNoted) permitted.add(question)
  }
}

/** What was permitted since a moment, under the same rules, while nobody was stopped. */
interface Since {
  readonly permitted: Set<string>
  readonly bundle: Gate['bundle']
  readonly changes: number
  readonly atMs: number
}

export function openAsk(ports: AskPorts): Ask {
  const { catalog, log, views, env } = ports
  return async (asking, name, rawInput, { after, signal, isPartOfRun = false, traced = {}, agreed } = {}) => {
    const { definition, handler } = catalog.query(name)
    const input = validate(definition.schema, rawInput ?? {}, `the input of ${definition.name}`) as Readonly<
      Record<string, unknown>
    >
    const caller = await onBehalf(ports, asking, definition, input)
    const { now } = await requireAllowed(ports, {
      caller,
      definition,
      input,
      isPartOfRun,
      traced,
      ...(agreed === undefined ? {} : { agreed }),
    })
    if (after !== undefined) await reached(log.positionOf(after), { log, env }, signal)
    const cursor = log.cursorAt(log.head().size)
    const output = await handler({ ...views, chain: caller.chain, log, now }, input as never)
    return { definition, output, cursor }
  }
}

/** A write is published within some milliseconds; a cursor that is never reached was not ours to begin with. */
const AFTER_WAIT_MS = 10_000

async function reached(
  position: number,
  { log, env }: Pick<AskPorts, 'log' | 'env'>,
  signal?: AbortSignal,
): Promise<void> {
  if (position <= log.head().size) return
  const ended = new AbortController()
  const waiting = AbortSignal.any([ended.signal, ...(signal ? [signal] : [])])
  const late = env.sleepUntil(env.monotonic() + AFTER_WAIT_MS, waiting).then(() => {
    throw new PolityError('cursor.ahead', 'this cursor is ahead of what is published')
  })
  try {
    await Promise.race([log.published(position, waiting), late])
  } finally {
    ended.abort()
  }
}

interface Asked {
  readonly caller: Caller
  readonly definition: QueryDefinition
  readonly input: Readonly<Record<string, unknown>>
  readonly isPartOfRun?: boolean
  /** People agreed to the run that asks, at its risk. Never from outside. */
  readonly agreed?: Agreed
  readonly traced?: Traced
}

interface Allowed {
  /** RFC 3339 time of the decision. */
  readonly now: string
  /** Whether it left something behind: a count, a label, a decision to tell of. */
  readonly isNoted: boolean
}

const DECISIONS_MAX = 32

/**
 * A denial is answered at once, and recorded beside the answer. What is to be known of an answer later is durable before
 * it is given: without it there is none.
 */
async function requireAllowed(ports: Omit<AskPorts, 'views'>, asked: Asked): Promise<Allowed> {
  const { env } = ports
  const { caller, definition, input, isPartOfRun = false, traced = {}, agreed } = asked
  const id = env.id()
  const trace = traceOf(traced) ?? id
  for (let attempt = 1; ; attempt++) {
    const now = new Date(env.now()).toISOString()
    const decision = await decide(ports, id, {
      caller,
      definition,
      input,
      trace,
      isPartOfRun,
      now,
      ...(agreed === undefined ? {} : { agreed }),
    })
    const { effect, sentence, reasons } = decision.verdict
    ports.onDecided?.(decision)
    if (isTold(decision.verdict)) {
      const committed = committedInput(definition, input, env, new KnownOpenings())
      noteDenial(ports, { caller, definition, committed, decision })
    }
    if (effect !== 'allow')
      throw (
        outageOf(decision.verdict, ports.gate.bundle.policies, id) ??
        new PolityError('denied', sentence, { reasons })
      )
    try {
      return { now, isNoted: (await noted(ports, decision)) || isTold(decision.verdict) }
    } catch (error) {
      if (attempt === DECISIONS_MAX || !isStale(decision, error)) throw error
    }
  }
}

async function noted(
  { log }: Pick<AskPorts, 'log'>,
  { beside: { expect = [], rows = [] } }: Decision,
): Promise<boolean> {
  if (rows.length === 0) return false
  await log.append({ entries: [], rows, expect })
  return true
}
