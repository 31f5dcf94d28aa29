// Reports of peers: weighed by what is known of whoever reports, once per window, bounded in all, and never about oneself.

import { discounted, type Evidence, faded, NO_EVIDENCE, OUTCOME, sumOf } from '../../kit/reputation.ts'
import type { CommandContext } from '../catalog/context.ts'
import { PolityError } from '../errors.ts'
import type { Principal, Risk } from '../gate/types.ts'
import { labelOf } from '../log/audience.ts'
import type { Static } from '../schema/schema.ts'
import { reporterKey, reports, type reportTrust, TrustReported } from './contract.ts'
import { ANY_FAMILY, isCounted, ONE_VOICE, reputationKey } from './evidence.ts'
import { foundIn, outcomesOf, type ReputationReads, readKnown } from './reading.ts'

/** One report of the same reporter about the same principal and family counts in this time. */
const WINDOW_MS = 24 * 3600_000
/** A person, and the hub, count like somebody with so many good outcomes: much, and not without doubt. */
const PERSON: Evidence = { positive: 8 * OUTCOME, negative: 0 }

type Answer = Static<typeof reportTrust.output>
type Said = Static<typeof TrustReported.schema>

export interface Claim extends Pick<Said, 'principal' | 'family' | 'verdict' | 'kind' | 'strength'> {
  readonly severity?: Risk
  readonly reference?: string
  readonly reason?: string
}

/** What an alert says, in outcomes. */
export const ALERT_STRENGTH: Readonly<Record<Risk, number>> = { low: 1, medium: 2, high: 3, critical: 5 }

/** Records the claim of whoever acts about somebody else, as far as it counts; also for modules that have looked at something. */
export async function report(
  ctx: Pick<CommandContext, 'chain' | 'get' | 'now' | 'record'>,
  { principal, family, verdict, kind, strength, ...rest }: Claim,
  reads: ReputationReads,
): Promise<Answer> {
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
  const nowMs = Date.parse(ctx.now)
  const last = (await ctx.get(reports, `${reporter} ${reputationKey(principal, family)}`))?.value
  if (last !== undefined && nowMs - Date.parse(last.at) < WINDOW_MS)
    return uncounted(`a report of yours about ${principal} counted at ${last.at}: one counts in 24 hours`)
  const said = verdict === 'positive' ? saying(strength, 0) : saying(0, strength)
  const reporterEvidence = await evidenceOf(reporter, reads, nowMs)
  const weighed = discounted(said, reporterEvidence)
  if (amountOf(weighed) === 0)
    return uncounted('nothing good is known of whoever reports, so the report counts nothing yet')
  const before = await heldOf(ctx, reporterKey(reporter, principal), nowMs)
  const counted = within(weighed, ONE_VOICE.outcomesMax * OUTCOME - amountOf(before))
  if (amountOf(counted) === 0)
    return uncounted(
      `what you said about ${principal} counts ${ONE_VOICE.outcomesMax} outcomes, and no more before that has faded`,
    )
  const held = sumOf(before, counted)
  ctx.record(
    TrustReported(
      { principal, family, reporter, kind, verdict, strength, counted, reporterEvidence, held, ...rest },
      { subject: `trust/${principal}`, time: ctx.now },
    ),
  )
  const outcomes = outcomesOf(amountOf(counted))
  const sentence = `it counts ${outcomes} of ${strength}, by what is known of ${reporter}`
  return { principal, family, isCounted: true, sentence, counted: outcomes }
}

/** What counts today of all that the reporter has said of this principal. */
async function heldOf(ctx: Pick<CommandContext, 'get'>, key: string, nowMs: number): Promise<Evidence> {
  const row = (await ctx.get(reports, key))?.value
  if (row?.held === undefined) return NO_EVIDENCE
  return faded({ ...row.held, atMs: Date.parse(row.at) }, nowMs, ONE_VOICE)
}

const amountOf = ({ positive, negative }: Evidence): number => positive + negative

/** A claim is of one sign. */
const within = ({ positive, negative }: Evidence, room: number): Evidence => ({
  positive: Math.max(0, Math.min(positive, room)),
  negative: Math.max(0, Math.min(negative, room)),
})

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
