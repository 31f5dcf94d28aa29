// Lets an outsider come to a verdict again: evidence in, plain input for stock cedar-wasm out.

import type { AuthorizationCall, EntityJson, Schema } from '@cedar-policy/cedar-wasm/nodejs'
import { asPolityError, PolityError } from '../errors.ts'
import { digestOf } from './bundle.ts'
import { type Context, withApprovals } from './context.ts'
import type { Digest, Evidence } from './types.ts'

/**
 * One call of the stock, stateless `isAuthorized` per link of the chain. How to read the answers:
 *
 * - a `failure` is `denied`; so is an entry of `diagnostics.errors` that names a forbid;
 * - every answer `allow`: `allow`, decided by the union of `diagnostics.reason`;
 * - else `denied`, decided by the reasons of the denying answers, unless each of them carries
 *   `@obligation("...")` and the calls with these as `granted` all answer `allow`: then `suspended`.
 *
 * @param evidence of a verdict; its mode is not part of it, so the result is `wouldEffect ?? effect`
 * @param bundle bytes whose SHA-256 is `evidence.bundle`
 * @param entitiesJson text whose SHA-256 is `evidence.entities`
 * @param granted obligations to count as approvals
 *
 * Errors: `verify.failed` (bytes that are not those of the evidence, or not of its form).
 */
export function replayInputs(
  { bundle: bundleDigest, entities: entitiesDigest, context, requests }: Evidence,
  bundle: Uint8Array,
  entitiesJson: string,
  granted: readonly string[] = [],
): AuthorizationCall[] {
  checkDigest('bundle', bundle, bundleDigest)
  checkDigest('entities', entitiesJson, entitiesDigest)
  const { schema, policies } = bundleParts(parseJson('bundle', new TextDecoder().decode(bundle)))
  const entities = entityList(parseJson('entities', entitiesJson))
  return requests.map((request) => ({
    ...request,
    context: { ...withApprovals(context as Context, granted) },
    schema,
    validateRequest: true,
    policies: { staticPolicies: { ...policies } },
    entities,
  }))
}

function checkDigest(what: string, content: string | Uint8Array, expected: Digest): void {
  const found = digestOf(content)
  if (found !== expected) {
    throw new PolityError('verify.failed', `the ${what} is not the one of the evidence`, { expected, found })
  }
}

/** Throws `verify.failed`. */
export function parseJson(what: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw new PolityError(
      'verify.failed',
      `the ${what} is not JSON: ${asPolityError(thrown).message}`,
      {},
      thrown,
    )
  }
}

/** What `bundleBytes` writes: policy texts by id, in the sections that say what each does. Throws `verify.failed`. */
export function bundleParts(value: unknown): BundleParts {
  if (isObject(value) && isSchema(value.schema)) {
    const { schema, policies, shadow = {}, risk = {}, draft = {} } = value
    if (isTexts(policies) && isTexts(shadow) && isTexts(risk) && isTexts(draft))
      return { schema, policies, shadow, risk, draft }
  }
  throw new PolityError('verify.failed', 'the bundle is not of the form { policies, schema, shadow }')
}

interface BundleParts {
  readonly schema: Schema
  readonly policies: Readonly<Record<string, string>>
  readonly shadow: Readonly<Record<string, string>>
  readonly risk: Readonly<Record<string, string>>
  readonly draft: Readonly<Record<string, string>>
}

/** Throws `verify.failed`. */
export function entityList(value: unknown): EntityJson[] {
  if (Array.isArray(value) && value.every(isEntity)) return value
  throw new PolityError('verify.failed', 'the entities are not a list of Cedar entities')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

// Cedar itself checks what is inside: a schema that it refuses is a `failure`.
function isSchema(value: unknown): value is Schema {
  return typeof value === 'string' || isObject(value)
}

function isTexts(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((text) => typeof text === 'string')
}

function isEntity(value: unknown): value is EntityJson {
  return isObject(value) && isObject(value.uid) && isObject(value.attrs) && Array.isArray(value.parents)
}
