// The one way to change anything: authenticate -> validate -> decide -> run -> outcome.

import { PolityError } from '../errors.ts'
import { KnownOpenings } from '../schema/privacy.ts'
import { validate } from '../schema/schema.ts'
import { actAtomically } from './act-atomically.ts'
import { answerAgain } from './answers.ts'
import { committedInput, decide } from './decide.ts'
import type { CommandDefinition } from './definition.ts'
import type { Answer, Invocation, Invoke, InvokeOptions, InvokePorts } from './invocation.ts'
import { noteDenial, type Refusal, recordRefusal } from './refusals.ts'
import { startRun } from './start-run.ts'

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
  return async (caller, name, rawInput, options = {}) => {
    const command = ports.catalog.command(name)
    const { definition } = command
    const input = validate(
      definition.schema,
      rawInput ?? {},
      `the input of ${definition.name}`,
    ) as Invocation['input']
    requireRunOptions(definition, options)
    const keyRow =
      options.key === undefined
        ? undefined
        : ports.idempotency.row(caller, definition.name, options.key, input)
    const kept = keyRow && (await ports.idempotency.find(keyRow))
    if (kept) return answerAgain(ports, kept, options)

    const known = new KnownOpenings()
    const { env } = ports
    const committed = committedInput(definition, input, env, known)
    const id = env.id()
    const now = new Date(env.now()).toISOString()
    const solo = definition.risk === 'critical' && (await ports.isSolo())
    const { isPartOfRun = false } = options
    const decision = decide(ports.gate, id, { caller, definition, input, solo, isPartOfRun, now })
    const invocation: Invocation = {
      id,
      caller,
      command,
      input,
      committed,
      known,
      decision,
      now,
      options,
      ...(keyRow ? { keyRow } : {}),
    }
    switch (decision.verdict.effect) {
      case 'denied':
        return refuse(ports, { ...invocation, definition })
      case 'suspended':
        return suspend(ports, { ...invocation, definition })
      case 'allow':
        return definition.effect === 'atomic' || definition.effect === 'working'
          ? actAtomically(ports, invocation)
          : startRun(ports, invocation)
    }
  }
}

/** Throws `input.invalid` for what only a run can keep: nobody should count on it in vain. */
function requireRunOptions({ name, effect }: CommandDefinition, { deadline, callbackUrl }: InvokeOptions) {
  if ((effect !== 'atomic' && effect !== 'working') || (deadline ?? callbackUrl) === undefined) return
  throw new PolityError(
    'input.invalid',
    `${name} is done in one commit: it has neither a deadline nor a callback`,
  )
}

/** A deny acts at once and is recorded after. */
async function refuse(ports: InvokePorts, refusal: Refusal): Promise<Answer> {
  await noteDenial(ports, refusal)
  const { id, verdict } = refusal.decision
  return { status: 'denied', decision: id, sentence: verdict.sentence, reasons: verdict.reasons }
}

async function suspend(ports: InvokePorts, refusal: Refusal): Promise<Answer> {
  const cursor = await recordRefusal(ports, refusal)
  const { id, verdict } = refusal.decision
  return {
    status: 'suspended',
    decision: id,
    sentence: verdict.sentence,
    obligations: verdict.obligations,
    cursor,
  }
}
