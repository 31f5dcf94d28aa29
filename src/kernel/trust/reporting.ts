// Reports of peers: weighed by what is known of whoever reports, once per window, and never about oneself.

import { discounted, type Evidence, NO_EVIDENCE, OUTCOME } from '../../kit/reputation.ts'
import type { CommandContext } from '../catalog/context.ts'
import { PolityError } from '../errors.ts'
import type { Principal } from '../gate/types.ts'
import { labelOf } from '../log/audience.ts'
import type { Static } from '../schema/schema.ts'
import { familyAsked, reports, type reportTrust, TrustReported } from './contract.ts'
import { ANY_FAMILY, isCounted, reputationKey } from './evidence.ts'
import { foundIn, outcomesOf, type ReputationReads, readKnown } from './reading.ts'

/** One report of the same reporter about the same principal and family counts in this time. */
const WINDOW_MS = 24 * 3600_000
/** A person, and the hub, count like somebody with so many good outcomes: much, and not without doubt. */
const PERSON: Evidence = { positive: 8 * OUTCOME, negative: 0 }

type Answer = Static<typeof reportTrust.output>

export async function report(
  ctx: Pick<CommandContext, 'chain' | 'get' | 'now' | 'record'>,
  { principal, verdict, kind = 'peer', strength = 1, reason, ...rest }: Static<typeof reportTrust.schema>,
  reads: ReputationReads,
): Promise<Answer> {
  const family = familyAsked(rest.family)
  const uncounted = (sentence: string): Answer => ({
    principal,
    family,
    isCounted: false,
    sentence,
    counted: 0,
  })
  const actor = actorIn(ctx.chain)
  if (ctx.chain.some((link) => labelOf(link) === principal))
    return uncounted('a report about oneself, or about whom one acts for, counts nothing')
  const reporter = labelOf(actor)
  const last = (await ctx.get(reports, `${reporter} ${reputationKey(principal, family)}`))?.value
  if (last !== undefined && Date.parse(ctx.now) - Date.parse(last.at) < WINDOW_MS)
    return uncounted(`a report of yours about ${principal} counted at ${last.at}: one counts in 24 hours`)
  const said = verdict === 'positive' ? saying(strength, 0) : saying(0, strength)
  const reporterEvidence = await evidenceOf(reporter, reads, Date.parse(ctx.now))
  const counted = discounted(said, reporterEvidence)
  const amount = counted.positive + counted.negative
  if (amount === 0)
    return uncounted('nothing good is known of whoever reports, so the report counts nothing yet')
  ctx.record(
    TrustReported(
      {
        principal,
        family,
        reporter,
        kind,
        verdict,
        strength,
        counted,
        reporterEvidence,
        ...(reason === undefined ? {} : { reason }),
      },
      { subject: `trust/${principal}`, time: ctx.now },
    ),
  )
  const outcomes = outcomesOf(amount)
  const sentence = `it counts ${outcomes} of ${strength}, by what is known of ${reporter}`
  return { principal, family, isCounted: true, sentence, counted: outcomes }
}

function actorIn(chain: readonly Principal[]): Principal {
  const actor = chain.at(-1)
  if (actor === undefined) throw new PolityError('internal', 'nobody asks')
  return actor
}

const saying = (positive: number, negative: number): Evidence => ({
  ...NO_EVIDENCE,
  positive: positive * OUTCOME,
  negative: negative * OUTCOME,
})

/** Read beside the commit: the reporter's own acts change it all the time, and none of them makes the report another one. */
async function evidenceOf(reporter: string, reads: ReputationReads, nowMs: number): Promise<Evidence> {
  if (!isCounted(reporter)) return PERSON
  return foundIn(await readKnown(reads, reporter), ANY_FAMILY, nowMs).own
}
