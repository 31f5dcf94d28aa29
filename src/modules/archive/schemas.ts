// The fields of scrolls: how they are named, how large they may be, and which of them are private.

import {
  Closed,
  Described,
  Integer,
  Json,
  Name,
  Private,
  Sha256,
  Timestamp,
  Type,
} from '../../kernel/schema/schema.ts'

/** Of the plain content; a request of 1 MiB holds it in base64 too. */
export const CONTENT_SIZE_MAX_BYTES = 512 * 1024
export const METADATA_SIZE_MAX_BYTES = 32 * 1024
export const VERSIONS_MAX = 1000
const TAGS_MAX = 32
/** Independent copies of every version. */
export const COPIES_MAX = 8

export const Scroll = Described(Name, 'the id of a scroll: letters, digits and ._-')
export const Version = Type.Integer({
  minimum: 1,
  maximum: VERSIONS_MAX,
  description: 'a version; default: the newest',
})
export const Category = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
  maxLength: 64,
  description: 'a category, which everybody may see: letters, digits and ._-',
})
export const Tag = Type.String({
  pattern: '^[^\\u0000-\\u0020\\u007f][^\\u0000-\\u001f\\u007f]*$',
  maxLength: 64,
  description: 'a tag, which everybody may see: text without control characters',
})
export const Tags = Type.Array(Tag, {
  maxItems: TAGS_MAX,
  description: 'tags, which everybody may see: name no person in them',
})
export const Title = Private(Type.String({ minLength: 1, maxLength: 512, description: 'the title' }))
export const Metadata = Private(
  Type.Record(Type.String({ minLength: 1, maxLength: 128 }), Json, {
    maxProperties: 64,
    description: 'what is known of the content: an object',
  }),
)
export const MediaType = Type.String({
  pattern: '^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*(; ?[a-z0-9-]+=[A-Za-z0-9._-]+)*$',
  maxLength: 128,
  description: 'a media type such as text/plain',
})
/** How the content of a version is given back: as text, as the JSON value it was, or as base64 of its bytes. */
export const Form = Type.Union([Type.Literal('text'), Type.Literal('json'), Type.Literal('base64')], {
  description: 'text, json or base64',
})
export const Mode = Type.Union([Type.Literal('governance'), Type.Literal('compliance')], {
  description: 'governance (may be bypassed by a critical act) or compliance (by nobody)',
})
export const Retention = Closed({ mode: Mode, retainUntil: Timestamp })
export const CopyName = Type.String({ pattern: '^[a-z0-9-]{1,32}$' })
export const CopyState = Type.Union([
  Type.Literal('good'),
  Type.Literal('absent'),
  Type.Literal('corrupt'),
  Type.Literal('undeletable'),
])
/** The digest is of the content itself, and could confirm a guess about it: it is erased with the rest. */
export const VerificationHash = Private(Sha256)

/** What a stored version is, besides its content. */
export const stored = {
  scroll: Scroll,
  title: Title,
  category: Category,
  tags: Tags,
  metadata: Metadata,
  mediaType: MediaType,
  form: Form,
  /** Of the plain content. */
  sizeBytes: Integer,
  verificationHash: VerificationHash,
  /** SHA-256 of the object that every copy holds: compressed, encrypted content. */
  object: Sha256,
  objectSizeBytes: Integer,
  /** Base64 of the AES-256 key of the object: with it goes every copy of the content. */
  key: Private(Type.String({ pattern: '^[A-Za-z0-9+/]{43}=$' })),
  /** The run that stored it, whose own input is private under `run/<run>`. */
  run: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
  copies: Type.Array(CopyName, { maxItems: COPIES_MAX }),
  /** Copies that could not take it; a scrub brings them up to date. */
  missing: Type.Array(CopyName, { maxItems: COPIES_MAX }),
  retention: Type.Optional(Retention),
  isHeld: Type.Boolean(),
}
