// ShadowScrolls: an outside witness of what was analysed; without it, an attestation of our own in the log.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { Type, validate } from '../../../kernel/schema/schema.ts'
import { canonicalize } from '../../../kit/canonical-json.ts'
import { EMPTY_ROOT, leafHash, nodeHash } from '../../../kit/merkle.ts'
import { sign } from '../../attest/contract.ts'
import { REFERENCE } from '../answers.ts'
import type { Service, Work } from '../service.ts'

const Answer = Type.Object({ id: REFERENCE })
const PREDICATE_TYPE = 'urn:polity:mirror-analysis:1'

export const shadowScrolls: Service = {
  name: 'shadowscrolls',
  option: 'shadowScrolls',
  part: 'attestation',
  priority: 'critical',
  operation: 'attest',
  path: '/attestations',
  payload: (work) => attestationOf(work),
  reference: (answer) => validate(Answer, answer, 'the answer of shadowscrolls').id,
  async fallback(scope, { analysis }) {
    const { statement } = await scope.invoke(sign, {
      predicateType: PREDICATE_TYPE,
      subjects: [{ name: `analysis/${analysis.analysis_id}`, digest: { sha256: digestOf(analysis) } }],
      predicate: { summary: analysis.summary, statements: analysis.statements },
    })
    return statement
  },
}

/**
 * Digests, not the data. `signature` is Ed25519 over the canonical JSON (RFC 8785) of the three members before it, by
 * the key that the log's first entry names; the Merkle tree is that of RFC 6962, a leaf per repository in the order of
 * their names.
 */
function attestationOf({ analysis, at, host: { statementSigner, log } }: Work) {
  const signed = {
    metadata: {
      scroll_id: `#${log.head().size} – Mirror Analysis ${analysis.analysis_id}`,
      timestamp: at,
      system: 'MirrorWatcherAI',
      version: '1.0.0',
    },
    verification: {
      data_hash: digestOf(analysis),
      merkle_root: merkleRootOf(analysis.repositories),
      timestamp: at,
      algorithm: 'SHA-256',
    },
    lineage: {
      execution_id: analysis.analysis_id,
      statements: analysis.statements,
      log_origin: log.origin,
      log_size: log.head().size,
    },
  }
  return {
    ...signed,
    signature: {
      algorithm: 'Ed25519',
      keyid: statementSigner.keyid,
      value: Buffer.from(statementSigner.sign(Buffer.from(canonicalize(signed)))).toString('base64'),
    },
    client_info: { name: 'polity' },
  }
}

const digestOf = (value: unknown): string => hash('sha256', canonicalize(value), 'hex')

function merkleRootOf(repositories: Readonly<Record<string, unknown>>): string {
  const leaves = Object.entries(repositories)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map((each) => leafHash(Buffer.from(canonicalize(each))))
  return Buffer.from(treeHash(leaves)).toString('hex')
}

/** RFC 6962 section 2.1: MTH. */
function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  const [only = EMPTY_ROOT] = leaves
  if (leaves.length <= 1) return only
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return nodeHash(treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split)))
}
