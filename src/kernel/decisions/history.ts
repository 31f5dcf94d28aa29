// What was decided, read back from where a log and the evidence beside it are kept: a store, or an exported folder.

import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import { readBounded } from '../audit/sources/export.ts'
import type { LogSource } from '../audit/sources/port.ts'
import { ActionDecided } from '../catalog/records.ts'
import { PolityError } from '../errors.ts'
import { digestOf } from '../gate/bundle.ts'
import type { Digest, Effect, Evidence, Mode, Risk } from '../gate/types.ts'
import { type Entry, parseEntry } from '../log/entry.ts'
import { BLOB_MAX_BYTES, BLOBS_DIR, blobName, EVIDENCE } from '../log/layout.ts'
import { BundleActivated, RolloutChanged, RulesReset } from '../rules/facts.ts'
import type { Static } from '../schema/schema.ts'
import type { Store } from '../store/store.ts'

/** Where decisions and what they stood on are kept. */
export interface HistoryPorts {
  /** Entries that are signed for. */
  readonly size: number
  /** Entries in order, in batches: at least all the decisions among [from, to), and at most BATCH_DECISIONS at a time. */
  entries(from: number, to: number, signal?: AbortSignal): AsyncIterable<readonly StoredBytes[]>
  /** Entries that say how far the rules bind, in order. */
  law(signal?: AbortSignal): AsyncIterable<StoredBytes>
  /** Texts by the digests under which decisions name them, unchecked; those that are not kept are absent. */
  texts(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, string>>
}

export interface StoredBytes {
  readonly seq: number
  readonly bytes: Uint8Array
}

/** Absent bounds do not bound. */
export interface HistoryRange {
  /** RFC 3339; the first time that counts. */
  readonly from?: string
  /** RFC 3339; the first time that does not count any more. */
  readonly to?: string
  /** Seqs: the first, and the first that does not count any more. */
  readonly fromSeq?: number
  readonly toSeq?: number
}

export interface ReadingOptions {
  readonly signal?: AbortSignal
  /** Called with how many of the log's entries have been passed. */
  readonly onProgress?: (done: number, total: number) => void
}

/** One entry that says what was decided. */
export interface PastDecision {
  readonly seq: number
  /** Id of the decision. */
  readonly id: string
  /** RFC 3339. */
  readonly time: string
  /** The chain, as `user:alice > agent:helper`. */
  readonly actor: string
  readonly action: string
  readonly resource: string
  readonly risk: Risk
  readonly declaredRisk: Risk
  readonly raisedBy: readonly string[]
  readonly effect: Effect
  readonly wouldEffect?: Effect
  readonly reasons: readonly string[]
  readonly obligations: readonly string[]
  readonly shadow: readonly string[]
  readonly errors: readonly string[]
  readonly sentence: string
  readonly mode: Mode
  readonly modeBy: string
  readonly solo: boolean
  readonly approval?: string
  readonly run?: string
  /** What was asked, private fields as commitments; absent where it is long. */
  readonly input?: unknown
  /** Equal denials that this entry stands for: 1 unless it says otherwise. */
  readonly count: number
  readonly evidence: Omit<Evidence, 'entitiesJson'> & {
    /** Absent where the text is not kept, or is another one than its digest names. */
    readonly entitiesJson?: string
  }
}

/** Decisions whose entities are fetched together; a snapshot of entities may have a megabyte. */
const BATCH_DECISIONS = 64
const LAW_TYPES = [BundleActivated.name, RolloutChanged.name, RulesReset.name]
const LAW_PAGE_ENTRIES = 500
/** What entries of these types hold, and a few others may. */
const LAW_NEEDLES = LAW_TYPES.map((type) => Buffer.from(JSON.stringify(type)))
/** Texts of entities that are remembered between batches: most decisions share theirs with others. */
const ENTITIES_REMEMBERED_MAX = 256
const ENTITIES_REMEMBERED_MAX_CHARS = 8 * 1024 * 1024

/** The decisions of a range in the order of the log. Memory is bounded by a batch. Throws `cancelled`, `log.corrupt`, `store.*`. */
export async function* pastDecisions(
  ports: HistoryPorts,
  range: HistoryRange = {},
  { signal, onProgress }: ReadingOptions = {},
): AsyncGenerator<PastDecision, void> {
  const { fromSeq = 0, toSeq = ports.size } = range
  const to = Math.min(toSeq, ports.size)
  const isInRange = timesOf(range)
  const texts = new Texts(ports)
  for await (const batch of ports.entries(fromSeq, to, signal)) {
    checkAborted(signal)
    const entries = batch
      .map(({ seq, bytes }) => parseEntry(seq, bytes))
      .filter(({ type, time }) => type === ActionDecided.name && isInRange(time))
    const decided = entries.map((entry) => ({ entry, data: entry.data as Decided }))
    const entities = await texts.of(decided.map(({ data }) => data.entities as Digest))
    for (const { entry, data } of decided)
      yield pastDecision(entry, data, entities.get(data.entities as Digest))
    onProgress?.((batch.at(-1)?.seq ?? fromSeq) + 1, to)
  }
  onProgress?.(to, to)
}

/** Whether a time lies in a range: compared as times, whatever their spelling. Throws `input.invalid`. */
export function timesOf({ from, to }: Pick<HistoryRange, 'from' | 'to'>): (time: string) => boolean {
  const [fromMs, toMs] = [from, to].map((bound) => {
    const ms = bound === undefined ? undefined : Date.parse(bound)
    if (Number.isNaN(ms))
      throw new PolityError('input.invalid', 'a period is bounded by times such as 2026-01-31T00:00:00Z')
    return ms
  })
  return (time) => {
    const ms = Date.parse(time)
    return ms >= (fromMs ?? Number.NEGATIVE_INFINITY) && ms < (toMs ?? Number.POSITIVE_INFINITY)
  }
}

/** The history of a store: a running hub's, or that of a folder which was opened for reading. */
export const storeHistory = (store: Pick<Store, 'entries' | 'load'>, size: number): HistoryPorts => ({
  size,
  async *entries(from, to, signal) {
    for (let next = from; next < to; ) {
      checkAborted(signal)
      const range = { from: next, to, limit: BATCH_DECISIONS, type: ActionDecided.name }
      const batch = await store.entries(range)
      if (batch.length > 0) yield batch
      const last = batch.at(-1)
      if (last === undefined || batch.length < BATCH_DECISIONS) return
      next = last.seq + 1
    }
  },
  async *law(signal) {
    const found: StoredBytes[] = []
    for (const type of LAW_TYPES)
      for (let from = 0; from < size; ) {
        checkAborted(signal)
        const page = await store.entries({ from, to: size, limit: LAW_PAGE_ENTRIES, type })
        found.push(...page)
        const last = page.at(-1)
        if (last === undefined || page.length < LAW_PAGE_ENTRIES) break
        from = last.seq + 1
      }
    yield* found.sort((a, b) => a.seq - b.seq)
  },
  async texts(digests) {
    const { value: rows } = await store.load(EVIDENCE, digests)
    return new Map(
      digests.flatMap((digest): [Digest, string][] => {
        const value = rows.get(digest)?.value
        const text = value == null ? undefined : textOf(value)
        return text === undefined ? [] : [[digest, text]]
      }),
    )
  },
})

/** The history of a folder that `polity export` wrote. @param size how many of its entries were verified */
export const exportHistory = (
  dir: string,
  source: Pick<LogSource, 'entries'>,
  size: number,
): HistoryPorts => ({
  size,
  async *entries(from, to, signal) {
    for await (const batch of source.entries(to, signal))
      for (let at = 0; at < batch.length; at += BATCH_DECISIONS) {
        const some = batch.slice(at, at + BATCH_DECISIONS).filter(({ seq }) => seq >= from)
        if (some.length > 0) yield some
      }
  },
  async *law(signal) {
    for await (const batch of source.entries(size, signal))
      yield* batch.filter(({ bytes }) => LAW_NEEDLES.some((needle) => Buffer.from(bytes).includes(needle)))
  },
  async texts(digests) {
    const texts = new Map<Digest, string>()
    for (const digest of digests) {
      const path = join(dir, BLOBS_DIR, blobName(digest.slice('sha256:'.length)))
      const bytes = await readBounded(path, BLOB_MAX_BYTES)
      if (bytes !== undefined) texts.set(digest, Buffer.from(bytes).toString())
    }
    return texts
  },
})

export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new PolityError('cancelled', 'reading what was decided was cancelled', {}, signal.reason)
}

/** Texts that have been asked for lately. */
class Texts {
  readonly #ports: Pick<HistoryPorts, 'texts'>
  readonly #known = new Map<Digest, string>()
  #chars = 0

  constructor(ports: Pick<HistoryPorts, 'texts'>) {
    this.#ports = ports
  }

  async of(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, string>> {
    const wanted = new Set(digests)
    const missing = [...wanted].filter((digest) => !this.#known.has(digest))
    if (missing.length > 0) {
      const found = await this.#ports.texts(missing)
      if (this.#known.size > ENTITIES_REMEMBERED_MAX || this.#chars > ENTITIES_REMEMBERED_MAX_CHARS)
        this.#forgetAllBut(wanted)
      for (const [digest, text] of found) {
        if (digestOf(text) !== digest) continue
        this.#known.set(digest, text)
        this.#chars += text.length
      }
    }
    return this.#known
  }

  #forgetAllBut(wanted: ReadonlySet<Digest>): void {
    for (const [digest, text] of this.#known)
      if (!wanted.has(digest)) {
        this.#known.delete(digest)
        this.#chars -= text.length
      }
  }
}

type Decided = Static<typeof ActionDecided.schema>

/** Of an entry of type `action.decided@1`. */
export function pastDecision(entry: Entry, data: Decided, entitiesJson?: string): PastDecision {
  const { decision, action, resource, risk, effect, wouldEffect, reasons, obligations, errors } = data
  const { sentence, solo, approval, run, count = 1, mode, modeBy = 'hub', shadow = [] } = data
  const { bundle, entities, context, requests, engine, input } = data
  return {
    seq: entry.seq,
    id: decision,
    time: entry.time,
    actor: entry.actor ?? '',
    action,
    resource,
    risk: risk as Risk,
    declaredRisk: (data.declaredRisk ?? risk) as Risk,
    raisedBy: data.raisedBy ?? [],
    effect: effect as Effect,
    ...(wouldEffect === undefined ? {} : { wouldEffect: wouldEffect as Effect }),
    reasons,
    obligations,
    shadow,
    errors,
    sentence,
    mode: mode as Mode,
    modeBy,
    solo,
    ...(approval === undefined ? {} : { approval }),
    ...(run === undefined ? {} : { run }),
    ...(input === undefined ? {} : { input }),
    count,
    evidence: {
      bundle: bundle as Digest,
      entities: entities as Digest,
      context: context as Evidence['context'],
      requests: requests as Evidence['requests'],
      engine: engine as Evidence['engine'],
      ...(entitiesJson === undefined ? {} : { entitiesJson }),
    },
  }
}

function textOf(value: string): string | undefined {
  try {
    const text: unknown = JSON.parse(value)
    return typeof text === 'string' ? text : undefined
  } catch {
    return undefined
  }
}
