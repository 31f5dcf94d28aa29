// What others may know of the archive: scrolls in write-once versions, kept in several copies.

import { command, noun, Page, query } from '../../kernel/catalog/definition.ts'
import {
  Closed,
  Described,
  Integer,
  Json,
  Private,
  Sha256,
  Timestamp,
  Type,
} from '../../kernel/schema/schema.ts'
import {
  Category,
  CONTENT_SIZE_MAX_BYTES,
  CopyName,
  CopyState,
  Form,
  MediaType,
  Metadata,
  Mode,
  Retention,
  Scroll,
  stored,
  Tag,
  Tags,
  Title,
  VerificationHash,
  Version,
} from './schemas.ts'

export * from './views.ts'

/** One version of a scroll, as people and programs see it. */
export const ScrollVersion = noun('archive.scroll-version', {
  scroll: Type.String(),
  version: Integer,
  title: Type.String(),
  category: Type.String(),
  tags: Type.Array(Type.String()),
  mediaType: Type.String(),
  metadata: Json,
  sizeBytes: Integer,
  preservedAt: Timestamp,
  /** SHA-256 of the plain content. */
  verificationHash: Sha256,
  /** SHA-256 of what the copies hold. */
  object: Sha256,
  objectSizeBytes: Integer,
  backupLocations: Type.Array(
    Closed({ copy: Type.String(), location: Type.Optional(Type.String()), state: CopyState }),
  ),
  retention: Type.Optional(Retention),
  isHeld: Type.Boolean(),
  isLost: Type.Boolean(),
})

export const ScrollSummary = noun('archive.scroll', {
  scroll: Type.String(),
  versions: Integer,
  latest: Integer,
  title: Type.String(),
  category: Type.String(),
  tags: Type.Array(Type.String()),
  mediaType: Type.String(),
  preservedAt: Timestamp,
  isErased: Type.Boolean(),
})

const which = { scroll: Scroll, version: Type.Optional(Version) }
const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'how many at most' }))
const ofScroll = ({ scroll = 'new' }: { readonly scroll?: string }): string => `archive/${scroll}`

export const preserve = command('archive.preserve@1', {
  summary: 'Stores one version of a scroll in every copy; it can never be changed again.',
  input: {
    title: Title,
    content: Described(
      Private(Json),
      `the content: text, or any JSON value; at most ${CONTENT_SIZE_MAX_BYTES} bytes`,
    ),
    encoding: Type.Optional(
      Type.Literal('base64', { description: 'base64: the content is text that stands for bytes' }),
    ),
    mediaType: Type.Optional(MediaType),
    category: Type.Optional(Category),
    tags: Type.Optional(Tags),
    metadata: Type.Optional(Metadata),
    scroll: Type.Optional(Described(Scroll, 'the scroll of which this is a new version; default: a new one')),
    ifVersion: Type.Optional(
      Described(Integer, 'only if this is the newest version; 0: only if there is no such scroll yet'),
    ),
    retention: Type.Optional(
      Described(
        Retention,
        'how long it has to stay, {mode, retainUntil}, the mode governance or compliance; default: no time',
      ),
    ),
    hold: Type.Optional(Type.Boolean({ description: 'put it under legal hold at once' })),
  },
  output: Closed({
    scroll: Type.String(),
    version: Integer,
    object: Sha256,
    verificationHash: VerificationHash,
    copies: Type.Array(CopyName),
    missing: Type.Array(CopyName),
  }),
  errors: ['not-found', 'archive.stale', 'archive.no-copy', 'payload.too-large', 'limit'],
  risk: 'medium',
  effect: 'idempotent',
  resource: ofScroll,
  facts: ['scroll', 'category', 'tags', 'hold'],
  cli: { positional: ['title', 'content'] },
})

/** The last part of `archive.preserve`; whoever else asks lacks the signature. */
export const enter = command('archive.enter@1', {
  summary: 'Enters what archive.preserve stored and signed as a version of its scroll.',
  input: {
    ...stored,
    ifVersion: Type.Optional(Integer),
    signature: Type.String({ pattern: '^[A-Za-z0-9+/]{86}==$' }),
  },
  output: Closed({ version: Integer }),
  errors: ['not-found', 'archive.stale', 'archive.unsigned', 'limit'],
  risk: 'medium',
  effect: 'atomic',
  resource: ofScroll,
  facts: ['scroll', 'category'],
  cli: { isHidden: true },
})

const Kept = Closed({
  scroll: Type.String(),
  version: Integer,
  retention: Type.Optional(Retention),
  isHeld: Type.Boolean(),
})

export const retain = command('archive.retain@1', {
  summary: 'Keeps a version from being deleted until a time; a running retention is only ever extended.',
  input: { scroll: Scroll, mode: Mode, retainUntil: Timestamp, version: Type.Optional(Version) },
  output: Kept,
  errors: ['not-found', 'archive.retained'],
  risk: 'high',
  effect: 'atomic',
  resource: ofScroll,
  facts: ['scroll', 'mode'],
  cli: { positional: ['scroll', 'mode', 'retainUntil'] },
})

export const bypass = command('archive.bypass@1', {
  summary: 'Cuts the governance retention of a version short; a compliance retention stays as it is.',
  input: {
    ...which,
    retainUntil: Type.Optional(Described(Timestamp, 'the new end; default: it ends now')),
  },
  output: Kept,
  errors: ['not-found', 'archive.retained'],
  risk: 'critical',
  conduct: { changes: ['policy'], reversible: false },
  effect: 'atomic',
  resource: ofScroll,
  facts: ['scroll'],
  cli: { positional: ['scroll'] },
})

export const hold = command('archive.hold@1', {
  summary: 'Puts a version under legal hold: it can neither be deleted nor erased until it is released.',
  input: which,
  output: Kept,
  errors: ['not-found'],
  risk: 'high',
  effect: 'atomic',
  resource: ofScroll,
  facts: ['scroll'],
  cli: { positional: ['scroll'] },
})

export const release = command('archive.release@1', {
  summary: 'Ends the legal hold of a version; its retention, if any, goes on.',
  input: which,
  output: Kept,
  errors: ['not-found'],
  risk: 'high',
  effect: 'atomic',
  resource: ofScroll,
  facts: ['scroll'],
  cli: { positional: ['scroll'] },
})

export const deleteVersion = command('archive.delete@1', {
  summary: 'Deletes one version from every copy, unless it is retained or held.',
  input: { scroll: Scroll, version: Type.Integer({ minimum: 1, description: 'the version to delete' }) },
  output: Closed({ scroll: Type.String(), version: Integer }),
  errors: ['not-found', 'archive.retained', 'archive.held', 'hold.active'],
  risk: 'high',
  conduct: { changes: ['data'], destructive: true, reversible: false },
  effect: 'atomic',
  resource: ofScroll,
  facts: ['scroll'],
  cli: { positional: ['scroll', 'version'] },
})

export const scrub = command('archive.scrub@1', {
  summary: 'Checks every copy of every version by its hash, and repairs bad copies from good ones.',
  input: {
    scroll: Type.Optional(Described(Scroll, 'only this scroll')),
    after: Type.Optional(Type.String({ maxLength: 256, description: 'go on after this version' })),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 100_000, description: 'how many versions at most' }),
    ),
  },
  output: Closed({
    versions: Integer,
    damaged: Integer,
    repaired: Integer,
    lost: Integer,
    unreachable: Type.Array(CopyName),
    after: Type.Optional(Type.String()),
  }),
  risk: 'medium',
  effect: 'idempotent',
  facts: ['scroll'],
  cli: { positional: ['scroll'] },
})

/** What the hub asks for after `vault.erase`: the runs that stored an erased scroll held its content too. */
export const forget = command('archive.forget@1', {
  summary: 'Erases what the runs that stored an erased scroll still hold of it.',
  input: { scroll: Scroll },
  output: Closed({ payloads: Integer }),
  errors: ['not-found', 'hold.active'],
  risk: 'medium',
  effect: 'atomic',
  isReserved: true,
  resource: ofScroll,
  facts: ['scroll'],
  cli: { isHidden: true },
})

export const get = query('archive.get@1', {
  summary: 'One version of a scroll, on request with its content.',
  input: { ...which, content: Type.Optional(Type.Boolean({ description: 'with the content' })) },
  output: Closed({
    ...ScrollVersion.properties,
    form: Type.Optional(Form),
    content: Type.Optional(Json),
  }),
  errors: ['not-found', 'erased', 'archive.lost'],
  risk: 'medium',
  resource: ofScroll,
  facts: ['scroll'],
  cli: { positional: ['scroll'] },
  http: { path: 'scrolls/{scroll}' },
})

export const list = query('archive.list@1', {
  summary: 'Scrolls by their ids, the last one first; ids that were not chosen are in the order of time.',
  input: { after: Type.Optional(Described(Scroll, 'go on after this scroll')), limit },
  output: Page(ScrollSummary),
  risk: 'medium',
  http: { path: 'scrolls' },
})

export const listVersions = query('archive.versions@1', {
  summary: 'The versions of a scroll that are not deleted, newest first.',
  input: { scroll: Scroll, after: Type.Optional(Described(Version, 'go on after this version')), limit },
  output: Page(ScrollVersion),
  errors: ['not-found', 'erased'],
  risk: 'medium',
  resource: ofScroll,
  facts: ['scroll'],
  cli: { positional: ['scroll'] },
  http: { path: 'scrolls/{scroll}/versions' },
})

export const Found = noun('archive.found', {
  scroll: Type.String(),
  version: Integer,
  title: Type.String(),
  category: Type.String(),
  tags: Type.Array(Type.String()),
  mediaType: Type.String(),
  preservedAt: Timestamp,
  snippet: Type.String(),
})

export const search = query('archive.search@1', {
  summary: 'Scrolls whose newest version has all these words, newest first.',
  input: {
    q: Type.Optional(
      Private(
        Type.String({
          maxLength: 512,
          description: 'words; "several words" in quotes stand together, and a word* may go on',
        }),
      ),
    ),
    category: Type.Optional(Category),
    tag: Type.Optional(Tag),
    since: Type.Optional(Timestamp),
    until: Type.Optional(Timestamp),
    after: Type.Optional(Type.String({ pattern: '^[0-9]{1,20}$', description: 'go on after this place' })),
    limit,
  },
  output: Closed({
    items: Type.Array(Found),
    after: Type.Optional(Type.String()),
    /** The index is being rebuilt: what is newest may not be found yet. */
    isBehind: Type.Boolean(),
  }),
  risk: 'medium',
  facts: ['category', 'tag'],
  cli: { positional: ['q'] },
  http: { path: 'archive/search' },
})
