// Proposals of hubs that do not write, handed over through the database to the one that does, and their answers back.

import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { deserialize, serialize } from 'node:v8'
import type { Env } from '../env.ts'
import { asPolityError, type ErrorWire, errorFromWire, errorToWire, PolityError } from '../errors.ts'
import { openFailing } from '../failing.ts'
import type { Proposal, Receipt } from '../log/proposal.ts'
import type { Sequencer } from '../log/sequencer.ts'
import type { Outbox, Parcel } from '../store/postgres/outbox.ts'
import type { Wake } from '../wake/wake.ts'
import { TOPICS } from './topics.ts'

/** Working state: ids of proposals that were handed over and are written, so that a second writer writes none twice. */
export const FORWARDED = 'log.forwarded'
const FORWARDED_KEPT_MS = 3600_000
/** After this long without an answer, a proposal may be written or not: its caller finds out by its key. */
const ANSWER_WAIT_MAX_MS = 30_000
/** How often is asked where nothing pushes. */
const POLL_MS = 250
/** How often is asked whether what nobody answered is still there: a crash of the server empties the outbox. */
const RESEND_INTERVAL_MS = 1_000
const SERVED_AT_ONCE = 256

export interface Forwarder {
  /** Throws what the writer refused with; `timeout` when nobody answered. */
  propose(proposal: Proposal): Promise<Receipt>
  close(): Promise<void>
}

export interface ForwardingPorts {
  readonly outbox: Outbox
  readonly wake: Wake
  readonly env: Env
  readonly key: Uint8Array
  readonly onFailure: (error: PolityError) => void
}

type AnswerWire = { readonly receipt: Receipt } | { readonly error: ErrorWire }

interface Waiting {
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: PolityError) => void
  readonly untilMs: number
  /** The sealed proposal, to be sent again if it is lost on the way. */
  readonly bytes: Uint8Array
  /** Whether it has arrived once. */
  isSent: boolean
}

export function openForwarder(ports: ForwardingPorts): Forwarder {
  const { outbox, wake, env } = ports
  const seal = openSeal(ports)
  const waiting = new Map<string, Waiting>()
  const closing = new AbortController()
  let running: Promise<void> | undefined

  const collect = async () => {
    for (const { id, bytes } of await outbox.take([...waiting.keys()])) {
      const asker = waiting.get(id)
      waiting.delete(id)
      if (asker) settle(asker, () => seal.open(bytes, `answer ${id}`) as AnswerWire)
    }
    failOverdue(waiting, ports, closing.signal, unanswered())
  }
  const listen = async () => {
    let resentMs = env.monotonic()
    while (waiting.size > 0) {
      await wake.wait(TOPICS.answers, closing.signal, POLL_MS)
      try {
        await collect()
        if (env.monotonic() < resentMs + RESEND_INTERVAL_MS) continue
        resentMs = env.monotonic()
        await resend(waiting, ports)
      } catch (error) {
        // The database does not answer: whoever waited too long is told, the others wait on.
        failOverdue(waiting, ports, closing.signal, asPolityError(error))
      }
    }
    running = undefined
  }
  return {
    propose: (proposal) =>
      new Promise((resolve, reject) => {
        const id = env.id()
        const bytes = seal.seal(proposal, `proposal ${id}`)
        const own = { resolve, reject, bytes, untilMs: env.monotonic() + ANSWER_WAIT_MAX_MS, isSent: false }
        waiting.set(id, own)
        outbox.send(id, bytes).then(
          () => {
            own.isSent = true
            wake.notify(TOPICS.outbox)
            running ??= listen()
          },
          (error: unknown) => {
            waiting.delete(id)
            reject(asPolityError(error, 'store.unreachable'))
          },
        )
      }),
    async close() {
      closing.abort()
      await running
    },
  }
}

/** An answer that was sealed with another key is one all the same: it will not come again. */
function settle({ resolve, reject }: Waiting, open: () => AnswerWire): void {
  try {
    const answer = open()
    if ('receipt' in answer) resolve(answer.receipt)
    else reject(errorFromWire(answer.error))
  } catch (error) {
    reject(asPolityError(error))
  }
}

/** The same id is the same proposal: what was written although its answer was lost is not written again. */
async function resend(waiting: Map<string, Waiting>, { outbox, wake }: ForwardingPorts): Promise<void> {
  const sent = [...waiting].flatMap(([id, { isSent }]) => (isSent ? [id] : []))
  const missing = await outbox.missing(sent)
  for (const id of missing) {
    const lost = waiting.get(id)
    if (lost) await outbox.send(id, lost.bytes)
  }
  if (missing.length > 0) wake.notify(TOPICS.outbox)
}

const unanswered = (): PolityError =>
  new PolityError(
    'timeout',
    `no writer answered within ${ANSWER_WAIT_MAX_MS} ms; what was asked for may still be written: ask again with the same idempotency key`,
  )

/** Nobody waits for a hub that is closing. */
function failOverdue(
  waiting: Map<string, Waiting>,
  { env }: ForwardingPorts,
  closing: AbortSignal,
  error: PolityError,
): void {
  for (const [id, { untilMs, reject }] of waiting)
    if (closing.aborted || env.monotonic() >= untilMs) {
      waiting.delete(id)
      reject(error)
    }
}

export interface ServingPorts extends ForwardingPorts {
  readonly sequencer: Pick<Sequencer, 'propose'>
}

/** The writer's side: writes what others hand over, each once, until it is closed. */
export function serveForwarded(ports: ServingPorts): { close(): Promise<void> } {
  const { outbox, wake } = ports
  const seal = openSeal(ports)
  const closing = new AbortController()
  const failing = openFailing(ports.onFailure)
  const running = (async () => {
    while (!closing.signal.aborted) {
      try {
        const items = await outbox.waiting(SERVED_AT_ONCE)
        const answers = await Promise.all(items.map((item) => serve(ports, seal, item)))
        const given = answers.filter((answer) => answer !== undefined)
        if (given.length > 0) {
          await outbox.answer(given)
          failing.works()
          wake.notify(TOPICS.answers)
          continue
        }
        // Nothing waits, or what waits is left to this writer's successor.
        if (items.length === 0) await outbox.sweep(2 * ANSWER_WAIT_MAX_MS)
        failing.works()
      } catch (error) {
        failing.fails(error)
      }
      await wake.wait(TOPICS.outbox, closing.signal, POLL_MS)
    }
  })()
  return {
    async close() {
      closing.abort()
      await running
    },
  }
}

/** The answer; undefined where this writer was replaced, and its successor shall take the proposal. */
async function serve(ports: ServingPorts, seal: Seal, { id, bytes }: Parcel): Promise<Parcel | undefined> {
  const answer = (wire: AnswerWire) => ({ id, bytes: seal.seal(wire, `answer ${id}`) })
  try {
    const proposal = seal.open(bytes, `proposal ${id}`) as Proposal
    return answer({ receipt: await proposeOnce(ports, id, proposal) })
  } catch (thrown) {
    const error = asPolityError(thrown)
    return error.code === 'store.fenced' || error.code === 'log.closed'
      ? undefined
      : answer({ error: errorToWire(error) })
  }
}

/**
 * A writer before this one may have written it and died before it answered: the mark that travels with a proposal
 * tells. Its entries then stand somewhere below the present end of the log, which is what the receipt says.
 */
async function proposeOnce(
  { sequencer, env }: ServingPorts,
  id: string,
  proposal: Proposal,
): Promise<Receipt> {
  const mark = { table: FORWARDED, key: id }
  try {
    return await sequencer.propose({
      ...proposal,
      // First, because a proposal that was written fails its own expectations.
      expect: [{ ...mark, version: 0 }, ...(proposal.expect ?? [])],
      rows: [...(proposal.rows ?? []), { ...mark, value: '1', expiresAtMs: env.now() + FORWARDED_KEPT_MS }],
    })
  } catch (thrown) {
    const error = asPolityError(thrown)
    if (error.code !== 'expectation.failed' || error.facts.table !== FORWARDED) throw error
    const { size } = await sequencer.propose({ entries: [] })
    const count = proposal.entries.length
    return { first: size - count, count, size }
  }
}

interface Seal {
  seal(message: Proposal | AnswerWire, about: string): Uint8Array
  /** Throws `log.corrupt` for what another hub of this log did not write. */
  open(bytes: Uint8Array, about: string): unknown
}

const NONCE_SIZE_BYTES = 12
const TAG_SIZE_BYTES = 16

/**
 * AES-256-GCM (NIST SP 800-38D) under a key of the vault's; purpose and id are bound to it. Inside is the structured
 * clone of a message, as between threads; nothing is read of it before the tag is right.
 */
function openSeal({ key, env }: Pick<ForwardingPorts, 'key' | 'env'>): Seal {
  const secret = new Uint8Array(hkdfSync('sha256', key, '', 'polity forwarding', 32))
  return {
    seal(message, about) {
      const nonce = env.random(NONCE_SIZE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(Buffer.from(about))
      return Buffer.concat([nonce, cipher.update(serialize(message)), cipher.final(), cipher.getAuthTag()])
    },
    open(bytes, about) {
      try {
        const nonce = bytes.subarray(0, NONCE_SIZE_BYTES)
        const decipher = createDecipheriv('aes-256-gcm', secret, nonce)
          .setAAD(Buffer.from(about))
          .setAuthTag(bytes.subarray(-TAG_SIZE_BYTES))
        const body = decipher.update(bytes.subarray(NONCE_SIZE_BYTES, -TAG_SIZE_BYTES))
        return deserialize(Buffer.concat([body, decipher.final()]))
      } catch (error) {
        throw new PolityError(
          'log.corrupt',
          'what was handed over is not sealed by a hub of this log: all hubs need the same vault.key',
          {},
          error,
        )
      }
    },
  }
}
