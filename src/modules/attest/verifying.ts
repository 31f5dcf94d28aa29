// Verifying: whether an attestation holds for what somebody has at hand, as a fact of the log, weighed for whoever had it signed.

import { Buffer } from 'node:buffer'
import { createPublicKey, hash, type KeyObject } from 'node:crypto'
import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { countedActor } from '../../kernel/trust/evidence.ts'
import { report } from '../../kernel/trust/reporting.ts'
import { openEnvelope, verifyEnvelope } from '../../kit/dsse.ts'
import { KitError } from '../../kit/error.ts'
import {
  AttestationVerified,
  attestations,
  type StatementSigned,
  type Subject,
  type verify,
} from './contract.ts'

/** What it counts for whoever had the statement signed, in outcomes, before the verifier is weighed. */
const PASSED_STRENGTH = 1
const FAILED_STRENGTH = 3
const FAMILY = 'attest'
/** More reasons say no more. */
const REASONS_MAX = 16
/** RFC 8410 section 4: the DER prefix of an Ed25519 public key. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

type Ports = Pick<ModuleHost, 'log' | 'reads' | 'statementSigner'>
type Signed = Static<typeof StatementSigned.schema>
type Subjects = readonly Static<typeof Subject>[]
type Answer = Static<typeof verify.output>

/** Throws `not-found`, and `entry.too-large` for more than an entry has room for. */
export async function verifyStatement(
  ctx: CommandContext,
  { statement, subjects }: Static<typeof verify.schema>,
  { log, reads, statementSigner }: Ports,
): Promise<Answer> {
  const row = await ctx.get(attestations, statement)
  if (row === undefined)
    throw new PolityError(
      'not-found',
      `there is no attestation ${statement}: \`polity attest list\` names them`,
    )
  const { seq } = row.value
  await log.published(seq + 1, ctx.signal)
  const { entry } = await log.entry(seq)
  const reasons = faultsOf(entry.data as Signed, subjects, statementSigner)
  const result: Answer['result'] = reasons.length === 0 ? 'passed' : 'failed'
  const found = { statement, result, checked: subjects.length, reasons }
  const producer = producerOf(entry)
  ctx.record(
    AttestationVerified(
      {
        ...found,
        presented: subjects.map((subject) => ({ ...subject })),
        ...(producer === undefined ? {} : { producer }),
      },
      { subject: `attestation/${statement}`, time: ctx.now },
    ),
  )
  if (producer === undefined) return { ...found, isCounted: false, sentence: NOBODY }
  const { isCounted, sentence } = await report(
    ctx,
    {
      principal: producer,
      family: FAMILY,
      kind: 'verification',
      verdict: result === 'passed' ? 'positive' : 'negative',
      strength: result === 'passed' ? PASSED_STRENGTH : FAILED_STRENGTH,
      reference: `attestation/${statement}`,
    },
    reads,
  )
  return { ...found, producer, isCounted, sentence }
}

const NOBODY =
  'nobody whose conduct is counted said what was verified: a person did, or the hub in a run of its own'

/**
 * Whoever asked for this very statement, if his conduct is counted. What a run had signed (the analysis of a
 * repository) is the work of the hub: its entry is correlated with the run, and says nothing about who asked for that.
 */
function producerOf({ actor, correlationid, data }: Entry): string | undefined {
  return correlationid === (data as Signed).statement ? countedActor(actor) : undefined
}

function faultsOf(
  { envelope, statementDigest }: Signed,
  presented: Subjects,
  signer: Ports['statementSigner'],
): string[] {
  const payload = payloadOf(envelope, signer)
  if (payload === undefined) return ['the hub has not signed it']
  if (`sha256:${hash('sha256', payload, 'hex')}` !== statementDigest)
    return ['it is another statement than its entry says']
  const { subject } = JSON.parse(Buffer.from(payload).toString()) as { readonly subject: Subjects }
  const stated = new Map(subject.map(({ name, digest }) => [name, digest]))
  return presented.flatMap((each) => faultOf(each, stated.get(each.name)) ?? []).slice(0, REASONS_MAX)
}

function faultOf(
  { name, digest }: Static<typeof Subject>,
  stated: Static<typeof Subject>['digest'] | undefined,
): string | undefined {
  if (stated === undefined) return `it says nothing of ${name}`
  const algorithms = Object.keys(digest).filter((algorithm) => Object.hasOwn(stated, algorithm))
  if (algorithms.length === 0) return `it has no digest of ${name} of a kind that was presented`
  const other = algorithms.find((algorithm) => stated[algorithm] !== digest[algorithm])
  return other === undefined ? undefined : `it has another ${other} of ${name}`
}

/** Undefined where the envelope is none, or of somebody else. */
function payloadOf(
  envelope: unknown,
  { keyid, publicKey }: Ports['statementSigner'],
): Uint8Array | undefined {
  try {
    verifyEnvelope(envelope, [{ keyid, publicKey: keyFrom(publicKey) }])
    return openEnvelope(envelope).payload
  } catch (error) {
    if (error instanceof KitError) return undefined
    throw error
  }
}

const keyFrom = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
