// Lets an outsider come to a verdict again: evidence in, plain input for stock cedar-wasm out.

import type { AuthorizationCall, EntityJson, Schema } from '@cedar-policy/cedar-wasm/nodejs'
import { asPolityError, PolityError } from '../errors.ts'
import { digestOf } from './bundle.ts'
import { type Context, withApprovals } from './context.ts'
import { parserEngine } from './engine.ts'
import { judge } from './judge.ts'
import { policiesOf } from './policies.ts'
import type { Digest, Effect, Evidence } from './types.ts'

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

/** What a decision comes to, from its evidence alone. */
export interface ReplayedVerdict {
  readonly effect: Effect
  /** Ids of the deciding policies, sorted. */
  readonly reasons: readonly string[]
}

/**
 * Decides again with what was stored. An `allow` or `denied` of a mode that blocks nothing is what `enforce` would
 * have said, so compare it with `wouldEffect ?? effect`.
 *
 * Errors: as `replayInputs`; `gate.bundle.invalid` for a bundle that no gate would have taken.
 */
export function replayVerdict(
  evidence: Omit<Evidence, 'entitiesJson'>,
  bundle: Uint8Array,
  entitiesJson: string,
): ReplayedVerdict {
  const stored: Evidence = { ...evidence, entitiesJson }
  // Checks both texts before anything in them is used.
  replayInputs(stored, bundle, entitiesJson)
  const { policies } = bundleParts(parseJson('bundle', new TextDecoder().decode(bundle)))
  const engine = parserEngine()
  const parsed = Object.entries(policies).flatMap(([id, text]) =>
    policiesOf({ name: `${id}.cedar`, text }, engine),
  )
  const { effect, reasons } = judge(
    new Map(parsed.map((policy) => [policy.id, policy])),
    (context) =>
      replayInputs({ ...stored, context }, bundle, entitiesJson).map((call) =>
        engine.run((cedar) => cedar.isAuthorized(call)),
      ),
    stored.context as Context,
  )
  return { effect, reasons }
}

/** Private values of a decision's input, and what became of them. */
export interface DecisionInputs {
  readonly decision: string
  /** Commitments of values that were kept when it was decided. */
  readonly kept: readonly string[]
  /** Those of them that still open. */
  readonly open: ReadonlySet<string>
}

/**
 * A verdict about values that nobody can look at any more is no verdict that anybody could check: there is none then,
 * rather than one about something else. Throws `inputs-erased`.
 */
export function requireInputs({ decision, kept, open }: DecisionInputs): void {
  const erased = kept.filter((commitment) => !open.has(commitment))
  if (erased.length === 0) return
  throw new PolityError(
    'inputs-erased',
    `private inputs of the decision ${decision} were erased: it cannot be replayed, and what the log holds of it stays valid`,
    { decision, erased },
  )
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
