// The SearchIndex port: derived from the log, allowed to vanish at any time, and never a source of truth.

/** The newest version of one scroll, as it is found. */
export interface SearchDocument {
  readonly scroll: string
  readonly version: number
  readonly title: string
  readonly category: string
  readonly tags: readonly string[]
  readonly mediaType: string
  /** RFC 3339. */
  readonly preservedAt: string
  /** Its place among all documents: the newer, the larger. See `placeOf`. */
  readonly place: bigint
  /** Its words; without NUL. */
  readonly text: string
}

/** One or several words that stand together; with `isPrefix` the last one may go on. */
export interface Term {
  readonly words: string
  readonly isPrefix: boolean
}

/** All of it must hold. Without terms every document fits them. */
export interface SearchQuestion {
  readonly terms: readonly Term[]
  readonly category?: string
  readonly tag?: string
  /** Inclusive. */
  readonly from?: bigint
  /** Exclusive: also where a page goes on. */
  readonly before?: bigint
  readonly limit: number
}

export type SearchHit = Omit<SearchDocument, 'text'> & {
  /** Text around what was found. */
  readonly snippet: string
}

/** What stands for a scroll; with `version` or `upTo` only if it is that version, or not newer than that place. */
export interface Removal {
  readonly scroll: string
  readonly version?: number
  readonly upTo?: bigint
}

export interface SearchBatch {
  /** Documents that take the place of whatever stood for their scrolls. */
  readonly put: readonly SearchDocument[]
  readonly remove: readonly Removal[]
  /** How far the log is indexed now; absent: unchanged. */
  readonly position?: string
}

/** Every method may throw `store.failed`; where its facts say `isDamaged`, `reset` begins anew. */
export interface SearchIndex {
  /** Names this index among those that follow the same log. */
  id(): Promise<string>
  /** What `write` was last given; undefined for an empty index. */
  position(): Promise<string | undefined>
  /** All of it or nothing. What is removed leaves no text behind in the index's own files. */
  write(batch: SearchBatch): Promise<void>
  /** Newest first. Whatever the terms hold, it is an answer and no error. */
  search(question: SearchQuestion): Promise<readonly SearchHit[]>
  /** Empties the index, even one that cannot be read. */
  reset(): Promise<void>
  close(): Promise<void>
}

/** Entries of one millisecond; then there are 47 bits for the time, until the year 6429. */
const SEQ_BITS = 16
/** Signed 64-bit integers are what the engines have. */
export const PLACE_MAX = 2n ** 63n - 1n

/** The time first, then the order in the log: a range of times is a range of places. */
export const placeOf = (timeMs: number, seq: number): bigint =>
  boundedPlace((BigInt(timeMs) << BigInt(SEQ_BITS)) | BigInt.asUintN(SEQ_BITS, BigInt(seq)))

export const boundedPlace = (place: bigint): bigint => (place > PLACE_MAX ? PLACE_MAX : place)

export const SNIPPET_WORDS = 24
export const SNIPPET_ELLIPSIS = '…'
