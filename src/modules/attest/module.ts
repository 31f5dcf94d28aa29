// Attestations: in-toto Statement v1 in a DSSE envelope, recorded in the log, exported with its proof.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import type { QueryContext } from '../../kernel/catalog/context.ts'
import { defineModule, type StatementSigner } from '../../kernel/catalog/module.ts'
import { pageOf } from '../../kernel/catalog/page-of.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { canonicalize } from '../../kit/canonical-json.ts'
import { signEnvelope } from '../../kit/dsse.ts'
import * as contract from './contract.ts'
import {
  attestations,
  exportAttestation,
  listAttestations,
  StatementSigned,
  type Subject,
  sign,
  verify,
} from './contract.ts'
import { verifyStatement } from './verifying.ts'

/** in-toto Attestation Framework, spec/v1/statement.md. */
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
/** in-toto Attestation Framework, spec/v1/envelope.md. */
const PAYLOAD_TYPE = 'application/vnd.in-toto+json'

interface Statement {
  readonly subject: readonly Static<typeof Subject>[]
  readonly predicateType: string
  readonly predicate: unknown
}

export const attest = defineModule(
  'attest',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  ({ log, reads, statementSigner }) => ({
    commands: [
      sign.handle((ctx, { subjects, predicateType, predicate }) => {
        refuseRepeated(subjects)
        const data = signStatement({ subject: subjects, predicateType, predicate }, statementSigner)
        ctx.record(StatementSigned({ statement: ctx.id, ...data }, { subject: `attestation/${ctx.id}` }))
        return {
          statement: ctx.id,
          statementDigest: data.statementDigest,
          envelopeDigest: data.envelopeDigest,
        }
      }),
      verify.handle((ctx, input) => verifyStatement(ctx, input, { log, reads, statementSigner })),
    ],
    queries: [
      exportAttestation.handle(async (ctx, { statement }) => exportOne(ctx, statement)),
      listAttestations.handle((ctx, input) =>
        pageOf(ctx, attestations, { ...input, isReverse: true }, ({ value }) => value),
      ),
    ],
  }),
)

/** Two subjects of one name would let a reader pick the digest they like. */
function refuseRepeated(subjects: readonly Static<typeof Subject>[]): void {
  const names = new Set<string>()
  for (const { name } of subjects) {
    if (names.has(name))
      throw new PolityError('attest.invalid', `the subject ${name} is named twice`, { name })
    names.add(name)
  }
}

const digestOf = (content: string | Uint8Array): string => `sha256:${hash('sha256', content, 'hex')}`

function signStatement(statement: Statement, signer: StatementSigner) {
  const payload = Buffer.from(canonicalize({ _type: STATEMENT_TYPE, ...statement }))
  const { signatures, ...envelope } = signEnvelope(PAYLOAD_TYPE, payload, [signer])
  const signed = { ...envelope, signatures: signatures.map((signature) => ({ ...signature })) }
  return {
    predicateType: statement.predicateType,
    subjects: statement.subject.length,
    statementDigest: digestOf(payload),
    envelopeDigest: digestOf(canonicalize(signed)),
    envelope: signed,
    signer: { keyid: signer.keyid, publicKey: Buffer.from(signer.publicKey).toString('base64') },
  }
}

async function exportOne(
  ctx: QueryContext,
  statement: string | undefined,
): Promise<Static<typeof exportAttestation.output>> {
  const row =
    statement === undefined
      ? (await ctx.list(attestations, { limit: 1, isReverse: true }))[0]
      : await ctx.get(attestations, statement)
  if (!row)
    throw new PolityError(
      'not-found',
      statement === undefined
        ? 'there is no attestation yet: `polity mirror PATH` makes one'
        : `there is no attestation ${statement}: \`polity attest list\` names them`,
    )
  const { seq } = row.value
  const { text, entry } = await ctx.log.entry(seq)
  const { envelope } = entry.data as Static<typeof StatementSigned.schema>
  return {
    format: 'polity.proof/1',
    entry: text,
    envelope,
    proof: await ctx.log.prove(seq),
    vkey: ctx.log.vkey,
  }
}
