// Collects cosignatures for our own log: one checkpoint at a time is put to every witness, until enough of them have cosigned it.

import { EventEmitter, once } from 'node:events'
import { addSignatures } from '../../kit/cosignature.ts'
import { type NoteSignature, parseNote } from '../../kit/signed-note.ts'
import { NodeCache } from '../../kit/tile-tree.ts'
import { checkPolicy, isQuorum } from '../../kit/tlog-policy.ts'
import type { RoomHost } from '../catalog/room.ts'
import { pause } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { Published } from '../log/proposal.ts'
import { delayBefore, random01 } from '../targets/retry.ts'
import type { Alerts } from './alerts.ts'
import { judge, latestOf, ownLogOf } from './ask-witnesses.ts'
import {
  type Collected,
  collectedKey,
  collectedWrite,
  loadCollected,
  loadWitnessed,
  witnessedWrite,
} from './collected.ts'
import { askToCosign, type Target } from './exchange.ts'
import { type AskedWitness, askedWitnesses, loadPolicy, type PolicyInForce } from './policy.ts'
import { watchLog } from './watch.ts'

export interface Cosigner {
  /** What is known of each witness that can be asked, by its name in the policy. */
  standing(): ReadonlyMap<string, WitnessStanding>
  inForce(): PolicyInForce | undefined
  close(): Promise<void>
}

export interface WitnessStanding {
  readonly collected: Collected | undefined
  readonly trouble: { readonly message: string; readonly sinceMs: number } | undefined
}

export interface CosignerPorts {
  readonly host: Pick<RoomHost, 'realm' | 'env' | 'record' | 'onFailure'>
  readonly alerts: Alerts
  /** How long one witness may take to answer. */
  readonly timeoutMs?: number
}

const WITNESS_TIMEOUT_MS = 5000
/** Checkpoints are put to witnesses at least this far apart; what is published meanwhile is in the next one. */
const ROUND_INTERVAL_MS = 20
const RETRY = { baseMs: 250, capMs: 30_000 }
/** Another hub on the same log may have published what we have not heard of yet. */
const HEARSAY_MS = 2000

/** A witness while a policy is in force. */
interface Member {
  readonly witness: AskedWitness
  collected: Collected | undefined
  /** Text of the checkpoint that it cosigned last, in this life. */
  text: string | undefined
  trouble: WitnessStanding['trouble']
}

/** Everything that ends with a policy. */
interface Term {
  readonly inForce: PolicyInForce
  readonly members: readonly Member[]
  readonly news: EventEmitter
  readonly ended: AbortController
  target?: Target
  /** By the name of the witness, for the target. */
  signatures: Map<string, readonly NoteSignature[]>
  isMet: boolean
}

interface Work extends CosignerPorts {
  readonly nodes: NodeCache
}

export async function openCosigner(ports: CosignerPorts): Promise<Cosigner> {
  const { committed, witnessed } = ports.host.realm
  const work: Work = { ...ports, nodes: new NodeCache() }
  const closing = new AbortController()
  let term = await openTerm(work, await loadPolicy(committed))
  let serving = serve(work, term)

  const adopt = async () => {
    const next = await loadPolicy(committed)
    // A term that ended before the next one could be opened is none, whatever its text.
    const isServed = next?.text === term?.inForce.text && !term?.ended.signal.aborted
    if (closing.signal.aborted || isServed) return
    term?.ended.abort()
    await serving
    term = await openTerm(work, next)
    serving = serve(work, term)
  }
  // One after the other: whoever waits for a policy may come while another change is under way.
  let adopting = Promise.resolve()
  const refresh = () => {
    const next = adopting.then(adopt)
    adopting = next.catch(() => undefined)
    return next
  }
  witnessed.refreshWith(refresh)

  // A policy is set by an entry, so it comes with something newly published.
  const watching = watchLog({ host: ports.host, look: refresh }, closing.signal)
  return {
    standing: () => new Map(term?.members.map((member) => [member.witness.name, { ...member }]) ?? []),
    inForce: () => term?.inForce,
    async close() {
      closing.abort()
      await watching
      await adopting
      term?.ended.abort()
      await serving
    },
  }
}

/** What was witnessed before counts on if it is enough under this policy; undefined when nobody is to be asked. */
async function openTerm(work: Work, inForce: PolicyInForce | undefined): Promise<Term | undefined> {
  const { realm } = work.host
  const stored = await loadWitnessed(realm.reader)
  const isEnough = inForce?.quorum !== undefined && stored !== undefined && isWitnessed(inForce, stored)
  realm.witnessed.accept(isEnough ? stored : undefined)
  realm.witnessed.require(inForce?.quorum)
  if (inForce === undefined) return undefined
  const witnesses = inForce.quorum === undefined ? [] : askedWitnesses(inForce)
  const collected = await loadCollected(
    realm.reader,
    witnesses.map(({ key }) => key),
  )
  return {
    inForce,
    members: witnesses.map((witness) => ({
      witness,
      collected: collected.get(collectedKey(witness.key)),
      text: undefined,
      trouble: undefined,
    })),
    news: new EventEmitter().setMaxListeners(0),
    ended: new AbortController(),
    signatures: new Map(),
    isMet: false,
  }
}

/** The kit's own check of the whole note, whoever put it together. */
function isWitnessed({ policy, quorum }: PolicyInForce, { checkpoint, size }: Published): boolean {
  if (quorum === undefined) return false
  try {
    const checked = checkPolicy(policy, checkpoint)
    return checked.isWitnessed && checked.witnessed.length > 0 && checked.checkpoint.size === size
  } catch {
    // A stored note that does not fit the policy is not witnessed under it; the witnesses are asked again.
    return false
  }
}

async function serve(work: Work, term: Term | undefined): Promise<void> {
  if (term === undefined || term.members.length === 0) return
  const { lost } = work.host.realm.log
  await Promise.all(
    [lead(work, term), ...term.members.map((member) => attend(work, term, member))].map((loop) =>
      loop.catch((error: unknown) => {
        if (!term.ended.signal.aborted && !lost.aborted) work.host.onFailure(asPolityError(error))
      }),
    ),
  )
}

/** Puts one checkpoint after the other: the newest, once the one before is witnessed. */
async function lead({ host: { realm, env } }: Work, term: Term): Promise<void> {
  const { signal } = term.ended
  while (!signal.aborted) {
    const notBefore = env.monotonic() + ROUND_INTERVAL_MS
    retarget(term, realm.log.head())
    while (!term.isMet) await once(term.news, 'met', { signal })
    await realm.log.published((term.target?.size ?? 0) + 1, signal)
    await env.sleepUntil(notBefore, signal)
  }
}

function retarget(term: Term, { size, checkpoint }: Published): void {
  if (term.target?.note === checkpoint) return
  term.target = { size, note: checkpoint, text: parseNote(checkpoint).text }
  term.signatures = new Map()
  term.isMet = false
  term.news.emit('target')
}

/** One witness: at most one request is under way, and each is for the checkpoint that is put now. */
async function attend(work: Work, term: Term, member: Member): Promise<void> {
  const { env } = work.host
  const { signal } = term.ended
  for (let failures = 0; !signal.aborted; ) {
    const target = term.target
    if (target === undefined || member.text === target.text) {
      await once(term.news, 'target', { signal })
      continue
    }
    try {
      await ask(work, term, member, target)
      failures = 0
    } catch (thrown) {
      if (signal.aborted) return
      await note(work, member, asPolityError(thrown))
      failures += 1
      await pause(env, delayBefore(RETRY, failures + 1, random01(env)), signal)
    }
  }
}

async function ask(work: Work, term: Term, member: Member, target: Target): Promise<void> {
  const { host, nodes, alerts, timeoutMs = WITNESS_TIMEOUT_MS } = work
  const { readTiles, origin } = ownLogOf(host.realm)
  const ports = { readTiles, nodes, nowMs: () => host.env.now(), timeoutMs }
  const answer = await askToCosign(
    ports,
    member.witness,
    target,
    member.collected?.size ?? 0,
    term.ended.signal,
  )
  if (answer.kind === 'ahead') return catchUp(work, term, member, answer.size)
  await accept(work, term, member, target, answer)
  member.trouble = undefined
  await alerts.settle({ kind: 'bad-witness', log: origin, place: member.witness.key.name })
}

/** Its cosignature is remembered first, and counts for the checkpoint if that is still the one that is put. */
async function accept(
  { host: { realm, record } }: Work,
  term: Term,
  member: Member,
  target: Target,
  {
    signatures,
    timestampSeconds,
  }: { readonly signatures: readonly NoteSignature[]; readonly timestampSeconds: number },
): Promise<void> {
  const collected = { size: target.size, atMs: timestampSeconds * 1000 }
  const rows = [collectedWrite(member.witness.key, collected)]
  const isPut = term.target?.text === target.text
  if (isPut) term.signatures.set(member.witness.name, signatures)
  const witnessed = isPut ? noteOf(term, target) : undefined
  if (witnessed) rows.push(witnessedWrite(witnessed))
  await record([], { rows }, { isReserved: true })
  member.collected = collected
  member.text = target.text
  // Another witness may have made a larger one witnessed meanwhile.
  if (!witnessed || term.ended.signal.aborted || isLater(realm.witnessed.current(), witnessed)) return
  realm.witnessed.accept(witnessed)
  if (term.target?.text !== target.text) return
  term.isMet = true
  term.news.emit('met')
}

const isLater = (current: Published | undefined, next: Published): boolean =>
  current !== undefined && current.size > next.size

/** The checkpoint with every cosignature so far, if these are enough. */
function noteOf({ inForce, signatures }: Term, { size, note: checkpoint }: Target): Published | undefined {
  if (!isQuorum(inForce.policy, new Set(signatures.keys()))) return undefined
  const witnessed = { size, checkpoint: addSignatures(checkpoint, [...signatures.values()].flat()) }
  return isWitnessed(inForce, witnessed) ? witnessed : undefined
}

/** A witness that has cosigned more than is put now: our newest checkpoint, or more than we ever signed? */
async function catchUp(work: Work, term: Term, member: Member, size: number): Promise<void> {
  const { realm } = work.host
  const { signal } = term.ended
  const heard = AbortSignal.any([signal, AbortSignal.timeout(HEARSAY_MS)])
  await realm.log.published(size, heard).catch(() => undefined)
  signal.throwIfAborted()
  if (size <= realm.log.head().size) {
    member.collected = { size, atMs: member.collected?.atMs ?? 0 }
    return retarget(term, realm.log.head())
  }
  const note = await latestOf(realm.log.origin, member.witness, signal)
  const suspicion = await judge(ownLogOf(realm), realm, member.witness, note)
  // Whatever it says, the next request asks it anew.
  member.collected = undefined
  if (suspicion) await work.alerts.raise(suspicion.alert, suspicion.place)
  throw claimsMore(member.witness, size, suspicion !== undefined)
}

/** With evidence it is the log that has a problem, without any it is the witness. */
const claimsMore = ({ name }: AskedWitness, size: number, isShown: boolean): PolityError =>
  new PolityError(
    isShown ? 'log.rollback' : 'witness.misbehaved',
    `the witness ${name} says that it has cosigned ${size} entries, more than this log has published`,
    { witness: name, size },
  )

/** A person is told when trouble begins; an answer that no honest witness gives is an alert. */
async function note({ host, alerts }: Work, member: Member, error: PolityError): Promise<void> {
  const { witness } = member
  if (member.trouble?.message !== error.message) host.onFailure(error)
  member.trouble = { message: error.message, sinceMs: member.trouble?.sinceMs ?? host.env.now() }
  if (error.code !== 'witness.misbehaved') return
  const log = host.realm.log.origin
  const { checkpoint, size } = host.realm.log.head()
  const alert = { log, kind: 'bad-witness', detail: error.message, witness: witness.key.name, size } as const
  await alerts.raise({ ...alert, evidence: [checkpoint] }, witness.key.name)
}
