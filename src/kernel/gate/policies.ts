// Policies of one file: split, named by their @id, their annotations understood, each with its place in the file.

import type { ActionConstraint, DetailedError, EntityUidJson } from '@cedar-policy/cedar-wasm/nodejs'
import { asPolityError, PolityError } from '../errors.ts'
import type { BundleFile } from './bundle-files.ts'
import type { Engine } from './engine.ts'
import { Memo } from './memo.ts'
import { type Reading, readingOf } from './reading.ts'
import type { PolicyState, Risk, Uid } from './types.ts'

/** Where something stands in a bundle; line and column count from 1, columns in characters. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

export interface Policy {
  readonly id: string
  readonly text: string
  readonly place: Place
  readonly effect: 'permit' | 'forbid'
  /** For the people whom the policy stops. */
  readonly description: string | undefined
  /** What lifts this forbid, for example `owner:1`; it is looked for in `context.approvals`. */
  readonly obligation: string | undefined
  /** Blocks in every mode of the gate. */
  readonly inviolable: boolean
  /** `shadow`: evaluated beside the bundle, never merged into it. `draft`: checked, and never evaluated. */
  readonly state: PolicyState
  /** Classifies instead of deciding: where it applies, the risk is at least this. Written as a forbid, so that a lost annotation closes. */
  readonly risk: Risk | undefined
  /** How grave it is that somebody tried, for reports; it decides nothing. */
  readonly severity: Severity | undefined
  /** The action of its head; undefined when the head leaves the action open. */
  readonly scope: { readonly exact: boolean; readonly actions: readonly Uid[] } | undefined
  readonly reads: Reading
}

export type Severity = 'advisory' | 'binding' | 'critical'

/** Whether it is of the one evaluation that decides. */
export const isDeciding = ({ state, risk }: Policy): boolean => state === 'enforced' && risk === undefined

/** Whether it is of the evaluation before, which raises the risk. */
export const isClassifying = ({ state, risk }: Policy): boolean => state === 'enforced' && risk !== undefined

const POLICY_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const OBLIGATION = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/
const ANNOTATIONS = ['id', 'description', 'obligation', 'inviolable', 'state', 'risk', 'severity', 'source']
const STATES: readonly PolicyState[] = ['draft', 'shadow', 'enforced']
const RISKS: readonly Risk[] = ['low', 'medium', 'high', 'critical']
const SEVERITIES: readonly Severity[] = ['advisory', 'binding', 'critical']
const MAX_POLICY_CHARS = 16 * 1024
/**
 * Levels of a policy's JSON form, two for each operator. What parses at twice as many overflows the engine's stack when
 * it is evaluated, and a rule in force that breaks the engine each time would have everything denied.
 */
const MAX_LEVELS = 256
const MAX_DESCRIPTION_CHARS = 400

/** Characters of files and their names. A bundle is read when it is proposed, when it is put in force, and with each later one. */
const READ_BEFORE_MAX_CHARS = 1024 * 1024
const readBefore = new Memo<readonly Policy[]>(READ_BEFORE_MAX_CHARS, ({ length }) => length)

/**
 * Cedar itself numbers the policies of a text (policy0, policy1) and ignores `@id`, so a file is
 * split and each policy is handed on under its own id.
 *
 * Errors: `gate.bundle.invalid` with file, line and column.
 */
export function policiesOf(file: BundleFile, engine: Engine): readonly Policy[] {
  const key = JSON.stringify([file.name, file.text])
  const known = readBefore.get(key)
  if (known !== undefined) return known
  const policies = read(file, engine)
  readBefore.set(key, policies)
  return policies
}

function read(file: BundleFile, engine: Engine): readonly Policy[] {
  const parts = tryOn(engine, placeAt(file, 0), (cedar) => cedar.policySetTextToParts(file.text))
  if (parts.type === 'failure') throw errorAt(parts.errors, (offset) => placeAt(file, offset))
  const [template] = parts.policy_templates
  if (template !== undefined) {
    const at = Math.max(0, withoutComments(file.text).indexOf(withoutComments(template)))
    throw invalid('templates are not supported', placeAt(file, Buffer.byteLength(file.text.slice(0, at))))
  }
  // The same text may stand in a comment before.
  const code = withoutComments(file.text)
  const nextSearch = new Map<string, number>()
  const policies = parts.policies.map((text) => {
    const at = Math.max(0, code.indexOf(withoutComments(text), nextSearch.get(text) ?? 0))
    const offset = Buffer.byteLength(file.text.slice(0, at))
    nextSearch.set(text, at + text.length)
    return { offset, policy: policyOf(text, placeAt(file, offset), engine) }
  })
  return policies.sort((a, b) => a.offset - b.offset).map(({ policy }) => policy)
}

/** Runs something on an engine; whatever breaks the engine is the fault of what stands at `place`. */
export function tryOn<T>(engine: Engine, place: Place, use: Parameters<typeof engine.run<T>>[0]): T {
  try {
    return engine.run(use)
  } catch (thrown) {
    const { message } = asPolityError(thrown)
    throw invalid(`too deeply nested, or beyond what the policy engine can take (${message})`, place, thrown)
  }
}

export function invalid(problem: string, place: Place, cause?: unknown): PolityError {
  const { file, line, column } = place
  return new PolityError('gate.bundle.invalid', `${file}:${line}:${column}: ${problem}`, { ...place }, cause)
}

/** The first of Cedar's errors; `at` turns its byte offset into a place. */
export function errorAt(errors: readonly DetailedError[], at: (offsetBytes: number) => Place): PolityError {
  const [error] = errors
  const location = error?.sourceLocations?.[0]
  const hint = [error?.help, location?.label].filter((text) => text != null).join('; ')
  const message = `${error?.message ?? 'refused without a reason'}${hint === '' ? '' : ` (${hint})`}`
  return invalid(message, at(location?.start ?? 0))
}

/** Cedar counts in UTF-8 bytes. */
export function placeAt({ name, text }: BundleFile, offsetBytes: number): Place {
  const lines = Buffer.from(text).subarray(0, offsetBytes).toString().split('\n')
  return { file: name, line: lines.length, column: [...(lines.at(-1) ?? '')].length + 1 }
}

/** A place inside a policy: its offset counts from the start of the policy's own text. */
export function placeIn({ text, place }: Policy, offsetBytes: number): Place {
  const { line, column } = placeAt({ name: place.file, text }, offsetBytes)
  return {
    file: place.file,
    line: place.line + line - 1,
    column: line === 1 ? place.column + column - 1 : column,
  }
}

const STRING_OR_COMMENT = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*/g

/** As long as before, with blanks in the place of comments. */
export const withoutComments = (text: string): string =>
  text.replace(STRING_OR_COMMENT, (found) => (found.startsWith('//') ? ' '.repeat(found.length) : found))

function policyOf(text: string, place: Place, engine: Engine): Policy {
  if (text.length > MAX_POLICY_CHARS)
    throw invalid(`a policy is longer than ${MAX_POLICY_CHARS} characters`, place)
  const parsed = tryOn(engine, place, (cedar) => cedar.policyToJson(text))
  if (parsed.type === 'failure') throw errorAt(parsed.errors, () => place)
  const { json } = parsed
  const annotations = new Map(Object.entries(json.annotations ?? {}))
  const id = annotations.get('id')
  if (!id) throw invalid('a policy has no @id("...")', place)
  if (!POLICY_ID.test(id)) throw invalid('an @id is made of letters, digits, dot, dash and underscore', place)
  if (isDeeper(json.conditions, MAX_LEVELS))
    throw invalid(
      `${id} is too deeply nested: no more than ${MAX_LEVELS / 2} operators may stand within each other, so split the policy, or compare with a set`,
      place,
    )
  return {
    id,
    text,
    place,
    effect: json.effect,
    ...marksOf(annotations, json.effect, id, place),
    scope: scopeOf(json.action),
    reads: readingOf(json),
  }
}

/** Without recursion: what it looks for would overflow this stack, too. */
function isDeeper(root: unknown, levelsMax: number): boolean {
  let level: readonly unknown[] = [root]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > levelsMax) return true
    level = level.flatMap((node) => (typeof node === 'object' && node !== null ? Object.values(node) : []))
  }
  return false
}

/** What the annotations say, and whether they may say it together. */
function marksOf(
  annotations: ReadonlyMap<string, string>,
  effect: Policy['effect'],
  id: string,
  place: Place,
): Pick<Policy, 'description' | 'obligation' | 'inviolable' | 'state' | 'risk' | 'severity'> {
  for (const name of annotations.keys()) {
    if (!ANNOTATIONS.includes(name)) {
      throw invalid(
        `policy ${id} has the unknown annotation @${name}; known: ${ANNOTATIONS.join(', ')}`,
        place,
      )
    }
  }
  const description = annotations.get('description')
  if ((description?.length ?? 0) > MAX_DESCRIPTION_CHARS) {
    throw invalid(`the @description of ${id} is longer than ${MAX_DESCRIPTION_CHARS} characters`, place)
  }
  const obligation = annotations.get('obligation')
  if (annotations.has('obligation') && !OBLIGATION.test(obligation ?? '')) {
    throw invalid(`the @obligation of ${id} must look like "owner:1"`, place)
  }
  const inviolable = flag(annotations, 'inviolable', id, place)
  const risk = oneOf(annotations, 'risk', RISKS, id, place)
  if (risk !== undefined && (effect === 'permit' || annotations.has('obligation') || inviolable)) {
    throw invalid(`${id} classifies by @risk: it is a forbid without @obligation and @inviolable`, place)
  }
  if (effect === 'permit' && (annotations.has('obligation') || inviolable)) {
    throw invalid(`${id} is a permit; only a forbid can carry @obligation or @inviolable`, place)
  }
  return {
    description: description ?? undefined,
    obligation: obligation ?? undefined,
    inviolable,
    state: oneOf(annotations, 'state', STATES, id, place) ?? 'enforced',
    risk,
    severity: oneOf(annotations, 'severity', SEVERITIES, id, place),
  }
}

function flag(annotations: ReadonlyMap<string, string>, name: string, id: string, place: Place): boolean {
  if (!annotations.has(name)) return false
  const value = annotations.get(name)
  if (value !== 'true' && value !== 'false')
    throw invalid(`@${name} of ${id} must be "true" or "false"`, place)
  return value === 'true'
}

function oneOf<T extends string>(
  annotations: ReadonlyMap<string, string>,
  name: string,
  known: readonly T[],
  id: string,
  place: Place,
): T | undefined {
  if (!annotations.has(name)) return undefined
  const value = known.find((each) => each === annotations.get(name))
  if (value === undefined) throw invalid(`@${name} of ${id} must be one of ${known.join(', ')}`, place)
  return value
}

function scopeOf(action: ActionConstraint): Policy['scope'] {
  if (action.op === 'All') return undefined
  if ('entities' in action) return { exact: false, actions: action.entities.map(uidOf) }
  // A slot exists in templates only, which are refused; an open scope is the safe reading.
  if (!('entity' in action)) return undefined
  return { exact: action.op === '==', actions: [uidOf(action.entity)] }
}

export function uidOf(entity: EntityUidJson): Uid {
  return '__entity' in entity ? entity.__entity : entity
}
