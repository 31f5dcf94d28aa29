// The policy in force: who must cosign our log, as a C2SP tlog-policy that an owner has set.

import { Buffer } from 'node:buffer'
import { KitError } from '../../kit/error.ts'
import { type NoteKey, parseVkey } from '../../kit/signed-note.ts'
import {
  describeQuorum,
  isQuorum,
  type Policy,
  type PolicyWitness,
  parsePolicy,
} from '../../kit/tlog-policy.ts'
import { PolityError } from '../errors.ts'
import type { Views } from '../log/views.ts'
import { requireHttp } from './bounded-request.ts'
import { POLICY_KEY, policies } from './contract.ts'

export interface PolicyInForce {
  readonly text: string
  readonly policy: Policy
  /** In words; undefined when nobody has to cosign. */
  readonly quorum?: string
}

/** A witness that can be asked. */
export interface AskedWitness extends PolicyWitness {
  readonly url: string
}

/** Undefined when none was ever set. */
export async function loadPolicy(committed: Pick<Views, 'get'>): Promise<PolicyInForce | undefined> {
  const text = (await committed.get(policies, POLICY_KEY))?.value.policy
  return text === undefined ? undefined : inForce(text)
}

function inForce(text: string): PolicyInForce {
  const policy = parsePolicy(text)
  // What needs no cosignature would be met by our own signature alone, and that is not called witnessed.
  const isAlone = isQuorum(policy, new Set())
  return { text, policy, ...(isAlone ? {} : { quorum: describeQuorum(policy) }) }
}

export const askedWitnesses = ({ policy }: PolicyInForce): readonly AskedWitness[] =>
  policy.witnesses.flatMap((witness) => (witness.url === undefined ? [] : [{ ...witness, url: witness.url }]))

/**
 * Reads a policy for a log. Throws `witness.policy` where it is malformed, does not list the log, counts a key of
 * this hub as a witness, asks for a quorum that cannot be met, or names a URL that is none.
 */
export function checkedPolicy(text: string, vkey: string, witnessVkey: string): PolicyInForce {
  const set = parsed(text)
  const { logs, witnesses } = set.policy
  const own = parseVkey(vkey)
  if (!logs.some(({ key }) => isSameKey(key, own)))
    throw refusal(`the policy does not list this log: add the line: log ${vkey}`)
  const ours = [own, parseVkey(witnessVkey)]
  const self = witnesses.find(({ key }) => ours.some((each) => isSamePublicKey(each, key)))
  if (self) throw refusal(`the witness ${self.name} is this hub itself, which is no witness of its own log`)
  for (const { url } of askedWitnesses(set)) requireUrl(url)
  const asked = new Set(askedWitnesses(set).map(({ name }) => name))
  if (!isQuorum(set.policy, asked))
    throw refusal('the quorum cannot be met: too few of its witnesses have a URL at which they can be asked')
  return set
}

function parsed(text: string): PolicyInForce {
  try {
    return inForce(text)
  } catch (error) {
    if (error instanceof KitError) throw refusal(error.message)
    throw error
  }
}

function requireUrl(url: string): void {
  try {
    requireHttp(url)
  } catch (error) {
    throw refusal((error as Error).message)
  }
}

const isSameKey = (a: NoteKey, b: NoteKey): boolean =>
  a.name === b.name && a.algorithm === b.algorithm && isSamePublicKey(a, b)

const isSamePublicKey = (a: NoteKey, b: NoteKey): boolean => Buffer.compare(a.publicKey, b.publicKey) === 0

const refusal = (sentence: string): PolityError => new PolityError('witness.policy', sentence)
