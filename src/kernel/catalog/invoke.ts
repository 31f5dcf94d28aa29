// The one way to change anything: authenticate -> validate -> decide -> run -> outcome.

import { asPolityError, PolityError } from '../errors.ts'
import { BUILT_IN_PREFIX } from '../gate/bundle.ts'
import { KnownOpenings } from '../schema/privacy.ts'
import { validate } from '../schema/schema.ts'
import { actAtomically } from './act-atomically.ts'
import { answerAgain, keptFor } from './answers.ts'
import { type Held, NOTHING_HELD } from './approval-desk.ts'
import { committedInput, decide, isStale } from './decide.ts'
import type { CommandDefinition } from './definition.ts'
import type { KeptAnswer, KeyRow } from './idempotency.ts'
import type { Answer, Invocation, Invoke, InvokeOptions, InvokePorts } from './invocation.ts'
import { onBehalf } from './on-behalf.ts'
import { outageOf } from './outage.ts'
import { noteDenial, type Refusal, recordRefusal } from './refusals.ts'
import { startRun } from './start-run.ts'
import { traceOf } from './trace.ts'

export { answerOf } from './answers.ts'
export type { Answer, Invoke, InvokeOptions, InvokePorts } from './invocation.ts'

/** The answer waits until what was done is as durable as was asked for; it stays done if that takes too long. */
export function openInvoke(ports: InvokePorts): Invoke {
  const { log } = ports
  const perform = openPerform(ports)
  return async (caller, name, rawInput, options = {}) => {
    const { until = 'committed', waitMs } = options
    if (until === 'cosigned') await log.witnessed.requireQuorum()
    const answer = await perform(caller, name, rawInput, options)
    if (until === 'committed' || answer.status !== 'done') return answer
    const size = log.positionOf(answer.cursor)
    await log.published(size)
    if (until === 'cosigned') await log.witnessed.reached(size, waitMs === undefined ? {} : { waitMs })
    return answer
  }
}

function openPerform(ports: InvokePorts): Invoke {
  return async (asking, name, rawInput, options = {}) => {
    const command = ports.catalog.command(name)
    const { definition } = command
    const input = validate(
      definition.schema,
      rawInput ?? {},
      `the input of ${definition.name}`,
    ) as Invocation['input']
    requireRunOptions(definition, options)
    // What people agreed to was held with its whole chain.
    const caller = options.grant ? asking : await onBehalf(ports, asking, definition, input)
    const keyRow =
      options.key === undefined
        ? undefined
        : ports.idempotency.row(caller, definition.name, options.key, input)
    const id = ports.env.id()
    const asked = { id, caller, command, input, options, ...(keyRow ? { keyRow } : {}) }
    const kept = await keptFor(ports, keyRow, options.grant !== undefined)
    if (kept) return (await refusedSince(ports, asked)) ?? answerAgain(ports, kept, options)
    requireAnew(definition, options)

    for (let attempt = 1; ; attempt++) {
      const invocation = await decided(ports, asked)
      try {
        return await carryOut(ports, invocation)
      } catch (error) {
        // What the decision stood on has changed before it was durable: nothing of it has happened.
        if (attempt === DECISIONS_MAX || !isStale(invocation.decision, error)) throw error
      }
    }
  }
}

/** Every round was lost to a change that somebody else committed, so somebody always gets on. */
const DECISIONS_MAX = 32

type Asked = Pick<Invocation, 'id' | 'caller' | 'command' | 'input' | 'options' | 'keyRow'>

/**
 * A yes that is said again is a yes now: to whoever was stopped since, or where that cannot be asked, it is not. All else
 * was decided when the key was used first. What a run has had done already is past.
 */
async function refusedSince(ports: InvokePorts, asked: Asked): Promise<Answer | undefined> {
  const { grant, isPartOfRun = false } = asked.options
  if (grant !== undefined || isPartOfRun) return undefined
  // Counted only where something comes of it.
  const { onDecided, ...quiet } = ports
  const invocation = await decided(quiet, asked)
  const { decision } = invocation
  const { effect, reasons, errors } = decision.verdict
  const isStopped = reasons.some((id) => id.startsWith(BUILT_IN_PREFIX))
  const isUnasked = errors.some(({ policy }) => policy === '')
  if (effect !== 'denied' || !(isStopped || isUnasked)) return undefined
  onDecided?.(decision)
  return refuse(ports, { ...invocation, definition: asked.command.definition })
}

async function decided(ports: InvokePorts, asked: Asked): Promise<Invocation> {
  const { env } = ports
  const { id, caller, input, options } = asked
  const { definition } = asked.command
  const { grant, isPartOfRun = false } = options
  const known = grant?.known.copy() ?? new KnownOpenings()
  const committed = grant?.committed ?? committedInput(definition, input, env, known)
  const now = new Date(env.now()).toISOString()
  const decision = await decide(ports, id, {
    caller,
    definition,
    input,
    trace: traceOf(options) ?? id,
    approvals: grant?.approvals ?? [],
    ...(options.agreed === undefined ? {} : { agreed: options.agreed }),
    isPartOfRun,
    now,
  })
  ports.onDecided?.(decision)
  if (grant && grant.bundle !== decision.verdict.evidence.bundle)
    throw new PolityError(
      'approvals.superseded',
      'other rules are in force than those that were agreed under',
    )
  const { drafts = [], expect = [], rows = [] } = decision.beside
  return {
    ...asked,
    committed,
    known,
    decision,
    now,
    beside: {
      expect: [...expect, ...(grant?.beside.expect ?? [])],
      rows: [...rows, ...(grant?.beside.rows ?? [])],
      drafts: [...(grant?.drafts(id) ?? []), ...drafts],
    },
  }
}

async function carryOut(ports: InvokePorts, invocation: Invocation): Promise<Answer> {
  const { definition } = invocation.command
  switch (invocation.decision.verdict.effect) {
    case 'denied':
      return refuse(ports, { ...invocation, definition })
    case 'suspended':
      return suspend(ports, invocation)
    case 'allow':
      return definition.effect === 'atomic' || definition.effect === 'working'
        ? actAtomically(ports, invocation)
        : startRun(ports, invocation)
  }
}

/** Throws `erased` for whoever comes for an answer alone, and finds none. */
function requireAnew({ name }: CommandDefinition, { isAnswerOnly }: InvokeOptions) {
  if (isAnswerOnly) throw new PolityError('erased', `${name} was done, and its answer is not kept any more`)
}

/** Throws `input.invalid` for what only a run can keep: nobody should count on it in vain. */
function requireRunOptions({ name, effect }: CommandDefinition, { deadline, callbackUrl }: InvokeOptions) {
  if ((effect !== 'atomic' && effect !== 'working') || (deadline ?? callbackUrl) === undefined) return
  throw new PolityError(
    'input.invalid',
    `${name} is done in one commit: it has neither a deadline nor a callback`,
  )
}

/** A deny acts at once and is recorded after. Throws `gate.unavailable` where it is no verdict: that may be tried again. */
async function refuse(ports: InvokePorts, refusal: Refusal): Promise<Answer> {
  const { id, verdict } = refusal.decision
  const noted = noteDenial(ports, refusal)
  const outage = outageOf(verdict, ports.gate.bundle.policies, id)
  // The log may be what is down.
  if (outage) throw outage
  await noted
  return { status: 'denied', decision: id, sentence: verdict.sentence, reasons: verdict.reasons }
}

/** What it counts against may be used up meanwhile, and then the next look says so. */
const HOLDS_MAX = 4

async function suspend(ports: InvokePorts, invocation: Invocation): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await suspendOnce(ports, invocation)
    } catch (error) {
      if (asPolityError(error).code !== 'expectation.failed' || attempt === HOLDS_MAX) throw error
    }
  }
}

/** Kept until people have answered: the request itself, and not only that it was made. */
async function suspendOnce(ports: InvokePorts, invocation: Invocation): Promise<Answer> {
  const { command, decision, keyRow, options } = invocation
  const { id, verdict } = decision
  const { sentence, obligations } = verdict
  const isKept = options.grant === undefined && command.definition.effect !== 'working'
  if (isKept) requireLastingAnswer(invocation)
  const held = isKept ? await ports.approvals.hold(invocation) : NOTHING_HELD
  const isHeld = held !== NOTHING_HELD
  const answer = { status: 'suspended', decision: id, sentence, obligations } as const
  const refusal = { ...invocation, definition: command.definition }
  try {
    const kept = isHeld && keyRow ? keptUnder(ports, keyRow, held, { ...answer, approval: id }) : held
    const cursor = await recordRefusal(ports, refusal, {}, kept)
    if (isHeld) ports.approvals.onHeld(id)
    return { ...answer, cursor, ...(isHeld ? { approval: id } : {}) }
  } catch (error) {
    // Who asks twice at a time waits for the same people.
    const isTwice = asPolityError(error).code === 'expectation.failed'
    const kept = isTwice && keyRow && (await ports.idempotency.find(keyRow))
    if (kept) return answerAgain(ports, kept, options)
    throw error
  }
}

/** Nobody is asked for what would be in vain. Throws `approvals.answer-lost`. */
function requireLastingAnswer({ command: { definition }, decision, input }: Invocation): void {
  const instead = definition.answeredOnce?.(input as never)
  if (instead === undefined) return
  const { sentence, obligations } = decision.verdict
  throw new PolityError(
    'approvals.answer-lost',
    `${sentence} Its answer is shown once, and would be lost by then: ${instead}`,
    { action: definition.name, obligations },
  )
}

const keptUnder = (
  { idempotency }: Pick<InvokePorts, 'idempotency'>,
  keyRow: KeyRow,
  held: Held,
  answer: KeptAnswer,
): Held => ({
  ...held,
  rows: [...held.rows, idempotency.write(keyRow, answer)],
  expect: [...held.expect, idempotency.absent(keyRow)],
})
