// A bundle: the schema and the policies that are in force together, known by the digest of their canonical bytes.

import { hash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Schema } from '@cedar-policy/cedar-wasm/nodejs'
import { canonicalize } from '../../kit/canonical-json.ts'
import { PolityError } from '../errors.ts'
import {
  type BundleFile,
  isPolicyFile,
  isSchemaFile,
  MAX_FILE_BYTES,
  MAX_FILES,
  readBundleFiles,
} from './bundle-files.ts'
import { parserEngine } from './engine.ts'
import {
  errorAt,
  invalid,
  isClassifying,
  isDeciding,
  type Place,
  type Policy,
  placeAt,
  policiesOf,
  tryOn,
} from './policies.ts'
import type { Digest, PolicyState } from './types.ts'

export interface Bundle {
  readonly digest: Digest
  /** As loaded: Cedar schema text. In force: Cedar's JSON form, with the actions of the modules. */
  readonly schema: Schema
  readonly schemaPlace: Place
  /** By id, in the order of the ids. */
  readonly policies: ReadonlyMap<string, Policy>
}

/** The bundle that is in force until the operator brings another. */
export const STARTER_DIR = fileURLToPath(new URL('./starter', import.meta.url))

export const MAX_POLICIES = 2000
/** Of the rules that stand in every bundle. */
export const BUILT_IN_PREFIX = 'polity.'
const MAX_BUNDLE_BYTES = 2 * 1024 * 1024

/**
 * Loads a bundle from a folder, or from files at hand: one `.cedarschema` and any number of `.cedar`.
 * Its policies are parsed here and checked against the schema by `openGate` and `Gate.load`, because
 * the actions they may name are those of the running modules.
 *
 * Errors: `gate.bundle.invalid` with facts file, line, column (missing or duplicate @id, syntax,
 * unknown or misplaced annotation, template, size).
 */
export async function loadBundle(source: string | readonly BundleFile[]): Promise<Bundle> {
  const files = typeof source === 'string' ? await readBundleFiles(source) : source
  checkFiles(files)
  const schema = schemaFileOf(files)
  const policies = new Map<string, Policy>()
  for (const file of files.filter(({ name }) => isPolicyFile(name))) {
    for (const policy of policiesOf(file, parserEngine())) addPolicy(policies, policy)
  }
  const byId = new Map([...policies.values()].map((policy) => [policy.id, policy]))
  return bundleOf(schema.text, placeAt(schema, 0), byId)
}

/** Puts a bundle together; used again when the actions of the modules are written into the schema. */
export function bundleOf(schema: Schema, schemaPlace: Place, policies: ReadonlyMap<string, Policy>): Bundle {
  const sorted = new Map([...policies].sort(([a], [b]) => (a < b ? -1 : 1)))
  const digest = digestOf(bundleText(schema, sorted))
  return { digest, schema, schemaPlace, policies: sorted }
}

/**
 * The bytes that `digest` names: canonical JSON (RFC 8785) of
 * `{ policies: { id: text }, schema, shadow: { id: text } }`, and `risk` and `draft` where there are such. What does not
 * decide stands apart, so that `policies` can be handed to any Cedar as it is.
 */
export function bundleBytes(bundle: Bundle): Uint8Array {
  return Buffer.from(bundleText(bundle.schema, bundle.policies))
}

export function digestOf(content: string | Uint8Array): Digest {
  return `sha256:${hash('sha256', content, 'hex')}`
}

function bundleText(schema: Schema, all: ReadonlyMap<string, Policy>): string {
  const texts = (belongs: (policy: Policy) => boolean) =>
    Object.fromEntries([...all.values()].filter(belongs).map(({ id, text }) => [id, text]))
  const risk = texts(isClassifying)
  const draft = texts(({ state }) => state === 'draft')
  return canonicalize({
    policies: texts(isDeciding),
    schema,
    shadow: texts(({ state }) => state === 'shadow'),
    ...(Object.keys(risk).length === 0 ? {} : { risk }),
    ...(Object.keys(draft).length === 0 ? {} : { draft }),
  })
}

/** The same bundle with other states; ids that it does not have are left aside. */
export function withStates(bundle: Bundle, states: Readonly<Record<string, PolicyState>>): Bundle {
  const policies = new Map(
    [...bundle.policies].map(([id, policy]) => [
      id,
      Object.hasOwn(states, id) ? { ...policy, state: states[id] ?? policy.state } : policy,
    ]),
  )
  return bundleOf(bundle.schema, bundle.schemaPlace, policies)
}

function checkFiles(files: readonly BundleFile[]): void {
  if (files.length > MAX_FILES) throw new PolityError('gate.bundle.invalid', `more than ${MAX_FILES} files`)
  let totalBytes = 0
  for (const file of files) {
    const start = placeAt({ name: file.name, text: '' }, 0)
    if (!isPolicyFile(file.name) && !isSchemaFile(file.name)) {
      throw invalid('neither a .cedar nor a .cedarschema file', start)
    }
    if (file.text.startsWith('\ufeff'))
      throw invalid('starts with a byte order mark: save it as UTF-8 without one', start)
    if (!file.text.isWellFormed()) throw invalid('holds a lone surrogate', start)
    const sizeBytes = Buffer.byteLength(file.text)
    totalBytes += sizeBytes
    if (sizeBytes > MAX_FILE_BYTES) throw invalid(`larger than ${MAX_FILE_BYTES} bytes`, start)
    if (totalBytes > MAX_BUNDLE_BYTES)
      throw invalid(`the bundle is larger than ${MAX_BUNDLE_BYTES} bytes`, start)
  }
}

function schemaFileOf(files: readonly BundleFile[]): BundleFile {
  const [schema, second] = files.filter(({ name }) => isSchemaFile(name))
  if (schema === undefined)
    throw new PolityError('gate.bundle.invalid', 'the bundle has no .cedarschema file')
  if (second !== undefined) throw invalid(`a second schema beside ${schema.name}`, placeAt(second, 0))
  const parsed = tryOn(parserEngine(), placeAt(schema, 0), (cedar) => cedar.schemaToJson(schema.text))
  if (parsed.type === 'failure') throw errorAt(parsed.errors, (offset) => placeAt(schema, offset))
  return schema
}

/** Ids that differ in letter case alone are taken for the same: decisions are read by people. */
function addPolicy(policies: Map<string, Policy>, policy: Policy): void {
  const { id, place } = policy
  const key = id.toLowerCase()
  if (key.startsWith(BUILT_IN_PREFIX)) {
    throw invalid(`an @id that begins with ${BUILT_IN_PREFIX} is kept for rules that are built in`, place)
  }
  const other = policies.get(key)
  if (other !== undefined) {
    const { file, line, column } = other.place
    throw invalid(
      `policy ${id} is already defined${other.id === id ? '' : ` as ${other.id}`} at ${file}:${line}:${column}`,
      place,
    )
  }
  if (policies.size >= MAX_POLICIES) throw invalid(`more than ${MAX_POLICIES} policies`, place)
  policies.set(key, policy)
}
