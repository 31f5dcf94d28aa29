// Preserving: the bytes go into every copy first, then one atomic action enters them as a version.

import { Buffer } from 'node:buffer'
import { timingSafeEqual } from 'node:crypto'
import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { StatementSigner } from '../../kernel/catalog/module.ts'
import type { Env } from '../../kernel/env.ts'
import { asPolityError, type ErrorCode, PolityError } from '../../kernel/errors.ts'
import { canonicalText } from '../../kernel/schema/canonical.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { enter, type preserve, scrolls, VersionPreserved, versionPrefix, versions } from './contract.ts'
import type { Copy } from './copies.ts'
import { blobNameOf, type Content, contentOf, digestOf, KEY_SIZE_BYTES, packObject } from './object.ts'
import { requireAhead, subjectOf } from './protection.ts'
import { METADATA_SIZE_MAX_BYTES, VERSIONS_MAX } from './schemas.ts'

const CATEGORY_DEFAULT = 'general'

type Input = Static<typeof preserve.schema>
type Entered = Static<typeof enter.schema>

export interface PreservePorts {
  readonly copies: readonly Copy[]
  readonly env: Env
  readonly signer: StatementSigner
}

export async function preserveOne(
  ctx: CommandContext,
  input: Input,
  ports: PreservePorts,
): Promise<Static<typeof preserve.output>> {
  const { scroll = ctx.id, ifVersion = input.scroll === undefined ? 0 : undefined } = input
  const content = contentOf(input.content, input.encoding, input.mediaType)
  await refuseEarly(ctx, { ...input, scroll, ifVersion }, ports)
  const key = await ctx.step('key', () => Buffer.from(ports.env.random(KEY_SIZE_BYTES)).toString('base64'))
  const object = packObject(content.bytes, Buffer.from(key, 'base64'))
  const { copies, missing } = await ctx.step('store', ({ signal }) =>
    storeEverywhere(ports.copies, object, input, signal),
  )
  const entered = enteredOf({ ...input, scroll }, content, {
    key,
    object: digestOf(object),
    objectSizeBytes: object.length,
    run: ctx.id,
    copies,
    missing,
    ...(ifVersion === undefined ? {} : { ifVersion }),
  })
  const { version } = await ctx
    .invoke(enter, { ...entered, signature: signatureOf(entered, ports.signer) })
    .catch((error: unknown) => enteredAlready(ctx, entered, ports.copies, error))
  const { object: digest, verificationHash } = entered
  return { scroll, version, object: digest, verificationHash, copies, missing }
}

/** What could only fail later fails before anything is stored. */
async function refuseEarly(
  ctx: CommandContext,
  {
    scroll,
    ifVersion,
    metadata = {},
    retention,
  }: Pick<Input, 'metadata' | 'retention'> & {
    readonly scroll: string
    readonly ifVersion: number | undefined
  },
  { env }: PreservePorts,
): Promise<void> {
  if (retention !== undefined) requireAhead(retention.retainUntil, env.now())
  const sizeBytes = Buffer.byteLength(canonicalText(metadata))
  if (sizeBytes > METADATA_SIZE_MAX_BYTES)
    throw new PolityError(
      'payload.too-large',
      `metadata may have ${METADATA_SIZE_MAX_BYTES} bytes, this has ${sizeBytes}: put it into the content`,
      { sizeBytes },
    )
  requireVersion(scroll, (await ctx.get(scrolls, scroll))?.value.versions ?? 0, ifVersion)
}

function requireVersion(scroll: string, newest: number, ifVersion: number | undefined): void {
  if (ifVersion !== undefined && ifVersion !== newest)
    throw new PolityError(
      'archive.stale',
      ifVersion === 0
        ? `there is a scroll ${scroll} already: leave ifVersion out to add a version`
        : `the newest version of ${scroll} is ${newest}, not ${ifVersion}: read it again`,
      { scroll, version: newest },
    )
  if (ifVersion === undefined && newest === 0)
    throw new PolityError(
      'not-found',
      `there is no scroll ${scroll} to add a version to: to begin one under this id, say ifVersion 0`,
      { scroll },
    )
  if (newest >= VERSIONS_MAX)
    throw new PolityError('limit', `a scroll may have ${VERSIONS_MAX} versions: begin a new one`, { scroll })
}

/** One good copy is enough to go on; what the others miss, a scrub brings to them. */
async function storeEverywhere(
  copies: readonly Copy[],
  object: Buffer,
  { retention, hold = false }: Pick<Input, 'retention' | 'hold'>,
  signal: AbortSignal,
): Promise<{ copies: string[]; missing: string[] }> {
  const name = blobNameOf(digestOf(object))
  const stored = await Promise.allSettled(
    copies.map(({ blobs }) => blobs.put(name, object, { ...retention, hold, signal })),
  )
  signal.throwIfAborted()
  const failures = stored.flatMap((each, index) =>
    each.status === 'rejected'
      ? [{ name: copies[index]?.name ?? '', error: asPolityError(each.reason) }]
      : [],
  )
  if (failures.length === copies.length)
    throw new PolityError(
      'archive.no-copy',
      `no copy could take the scroll: ${failures.map(({ name: copy, error }) => `${copy}: ${error.message}`).join('; ')}`,
      { codes: failures.map(({ error }) => error.code) },
    )
  const missing = failures.map((failure) => failure.name)
  return { copies: copies.flatMap((copy) => (missing.includes(copy.name) ? [] : [copy.name])), missing }
}

function enteredOf(
  {
    scroll,
    title,
    category = CATEGORY_DEFAULT,
    tags = [],
    metadata = {},
    retention,
    hold = false,
  }: Input & {
    readonly scroll: string
  },
  { bytes, form, mediaType }: Content,
  facts: Pick<Entered, 'key' | 'object' | 'objectSizeBytes' | 'run' | 'copies' | 'missing' | 'ifVersion'>,
): Omit<Entered, 'signature'> {
  return {
    ...facts,
    scroll,
    title,
    category,
    tags: [...new Set(tags)],
    metadata,
    mediaType,
    form,
    sizeBytes: bytes.length,
    verificationHash: digestOf(bytes),
    isHeld: hold,
    ...(retention === undefined ? {} : { retention }),
  }
}

/** Refusals after which nothing was entered now; after anything else it may have been. */
const REFUSALS: readonly ErrorCode[] = ['archive.stale', 'not-found', 'limit', 'denied']

/**
 * A run that goes on after a long stop may ask again for what it entered before: then that stands. What was
 * never entered is taken back.
 */
async function enteredAlready(
  ctx: CommandContext,
  { scroll, object }: Pick<Entered, 'scroll' | 'object'>,
  copies: readonly Copy[],
  error: unknown,
): Promise<{ version: number }> {
  if (!REFUSALS.includes(asPolityError(error).code)) throw error
  const rows = await ctx.list(versions, { prefix: versionPrefix(scroll), limit: VERSIONS_MAX })
  const mine = rows.find(({ value }) => value.object === object)
  if (mine !== undefined) return { version: mine.value.version }
  await takeBack(copies, object)
  throw error
}

/** What was not entered is nobody's: nothing but a lock may keep it, and then it stays unreadable. */
async function takeBack(copies: readonly Copy[], object: string): Promise<void> {
  const name = blobNameOf(object)
  await Promise.allSettled(
    copies.map(async ({ blobs }) => {
      await blobs.hold(name, false)
      await blobs.drop(name, { isBypass: true })
    }),
  )
}

const SIGNED_FOR = 'polity archive.enter@1\n'

const signatureOf = (entered: Omit<Entered, 'signature'>, signer: StatementSigner): string =>
  Buffer.from(signer.sign(Buffer.from(SIGNED_FOR + canonicalText(entered)))).toString('base64')

/** Ed25519 signs deterministically (RFC 8032 section 5.1.6), so the signer can check by signing again. */
function requireSigned({ signature, ...entered }: Entered, signer: StatementSigner): void {
  if (!timingSafeEqual(Buffer.from(signature), Buffer.from(signatureOf(entered, signer))))
    throw new PolityError(
      'archive.unsigned',
      'only what archive.preserve has stored can be entered: ask for that action',
    )
}

export async function enterOne(
  ctx: CommandContext,
  input: Entered,
  signer: StatementSigner,
): Promise<{ version: number }> {
  requireSigned(input, signer)
  const { signature: _, ifVersion, ...data } = input
  const newest = (await ctx.get(scrolls, data.scroll))?.value.versions ?? 0
  requireVersion(data.scroll, newest, ifVersion)
  const version = newest + 1
  ctx.record(VersionPreserved({ ...data, version }, { subject: subjectOf(data.scroll) }))
  return { version }
}
